create or replace function piton.keep(
    what text, type text, keep interval, workflow text default null, actor text default session_user
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint := piton.queue_named(workflow, null);
begin
    perform piton.check_said(actor, null);
    if what is null or what not in ('runs', 'artifacts', 'batches', 'workers', 'versions') then
        raise exception 'a rule cannot be about "%"', piton.quoted(what)
            using errcode = 'invalid_parameter_value', hint = 'It is about runs, artifacts, batches, workers or versions.';
    end if;
    if type is null or type !~ '^[a-z][a-z0-9_]{0,62}$' then
        raise exception '"%" is no type of artifacts and no state of runs', piton.quoted(type)
            using errcode = 'invalid_parameter_value', hint = 'Such as output, preview or temp; done, failed or cancelled.';
    end if;
    if keep < interval '0' or keep > interval '36525 days' then
        raise exception '% is no time for which things are kept: up to 100 years, or for ever', keep
            using errcode = 'invalid_parameter_value', hint = 'Null is for ever.';
    end if;
    if what = 'runs' and type not in ('done', 'failed', 'cancelled') then
        raise exception 'runs that are % are never deleted', type
            using errcode = 'invalid_parameter_value', hint = 'A rule is about runs that are done, failed or cancelled.';
    end if;
    if what = 'batches' and type <> 'ended' then
        raise exception 'batches that are % are never deleted', type
            using errcode = 'invalid_parameter_value', hint = 'The rule is about those that are ended.';
    end if;
    if what = 'workers' and (type <> 'ended' or workflow is not null) or what = 'versions' and type <> 'unused' then
        raise exception 'there is no rule about %', type || ' ' || what || case when workflow is null then '' else ' of a workflow' end
            using errcode = 'invalid_parameter_value',
                  hint = 'The rules are about workers that are ended, of every workflow, and about versions that are unused.';
    end if;
    insert into piton.retentions (workflow_id, what, type, keep, set_by)
    values (queue, keep.what, keep.type, keep.keep, keep.actor)
    on conflict on constraint retentions_pkey do update
    set keep = excluded.keep, set_by = excluded.set_by, set_at = excluded.set_at;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (keep.actor, 'keep', 'retention', keep.what || ' ' || keep.type,
            jsonb_strip_nulls(jsonb_build_object('workflow', keep.workflow, 'keep', keep.keep)));
end
$$;
comment on function piton.keep(text, text, interval, text, text) is 'Sets how long runs of a state, artifacts of a type, ended batches and workers, or unused versions are kept: of one workflow, or of all. Null is for ever.';
