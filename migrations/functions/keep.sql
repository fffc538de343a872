create or replace function piton.keep(
    what text, type text, keep interval, workflow text default null, actor text default session_user
) returns void
language plpgsql
as $$
declare
    queue bigint := piton.queue_named(workflow, null);
begin
    if what = 'runs' and type not in ('done', 'failed', 'cancelled') then
        raise exception 'runs that are % are never deleted', type
            using errcode = 'invalid_parameter_value', hint = 'A rule is about runs that are done, failed or cancelled.';
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
comment on function piton.keep(text, text, interval, text, text) is 'Says for how long runs of a state, or artifacts of a type, are kept: of one workflow, or of every one. Null is for ever.';
