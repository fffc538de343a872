-- A stage that is paused stands among those with limits: a claim sets its jobs aside as it does theirs, and no later one walks
-- over them.
create or replace function piton.renew_limited_stages(workflow bigint) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    with wanted as materialized (
        select s.version_id, s.stage, l.id
        from piton.stage_limits l
        join piton.stage_names s on s.workflow_id = l.workflow_id and s.name = l.stage
        where l.workflow_id = renew_limited_stages.workflow
          and (num_nonnulls(l.concurrency, l.per_worker, l.rate_attempts) > 0
               or exists (select from piton.pauses p where p.workflow_id = l.workflow_id and p.stage = l.stage))
    ),
    over as (
        delete from piton.limited_stages s
        using piton.stage_limits l
        where l.workflow_id = renew_limited_stages.workflow and s.limit_id = l.id
          and not exists (select from wanted w where w.version_id = s.version_id and w.stage = s.stage)
    )
    insert into piton.limited_stages (version_id, stage, limit_id)
    select w.version_id, w.stage, w.id from wanted w
    on conflict (version_id, stage) do nothing;
    return found;
end
$$;
comment on function piton.renew_limited_stages(bigint) is 'For Piton itself: brings piton.limited_stages up to date with the limits and pauses of a workflow, and tells whether there are more now.';
