-- The current version decides for the jobs of all versions: what they call is the same. Attempts that run already count, too.
create or replace function piton.renew_limits(workflow bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    changed boolean;
begin
    with wanted as materialized (
        select s.definition ->> 'name' as stage, (s.definition ->> 'concurrency')::int4 as concurrency,
               (s.definition ->> 'per_worker')::int4 as per_worker,
               (s.definition #>> '{rate,attempts}')::int4 as attempts,
               (s.definition #>> '{rate,period_ms}')::int8 * interval '1 millisecond' as period
        from piton.workflows w
        join piton.workflow_versions v on v.id = w.current_version_id
        cross join lateral json_array_elements(v.definition -> 'stages') as s (definition)
        where w.id = renew_limits.workflow
          and (s.definition -> 'concurrency' is not null or s.definition -> 'per_worker' is not null
               or s.definition -> 'rate' is not null)
    ),
    kept as (
        insert into piton.stage_limits as l (workflow_id, stage, concurrency, per_worker, rate_attempts, rate_period)
        select renew_limits.workflow, w.stage, w.concurrency, w.per_worker, w.attempts, w.period from wanted w
        on conflict (workflow_id, stage) do update
        set concurrency = excluded.concurrency, per_worker = excluded.per_worker, rate_attempts = excluded.rate_attempts,
            rate_period = excluded.rate_period, next_at = now()
        where (l.concurrency, l.per_worker, l.rate_attempts, l.rate_period)
              is distinct from (excluded.concurrency, excluded.per_worker, excluded.rate_attempts, excluded.rate_period)
        returning 1
    ),
    lifted as (
        update piton.stage_limits l
        set concurrency = null, per_worker = null, rate_attempts = null, rate_period = null, next_at = now()
        where l.workflow_id = renew_limits.workflow and not exists (select from wanted w where w.stage = l.stage)
          and num_nonnulls(l.concurrency, l.per_worker, l.rate_attempts) > 0
        returning 1
    )
    select exists (select from kept) or exists (select from lifted) into changed;
    changed := piton.renew_limited_stages(renew_limits.workflow) or changed;
    if not changed then
        return;
    end if;
    -- Everyone who locks several jobs locks them in this order.
    with theirs as materialized (
        select j.run_id, j.id, l.limit_id
        from piton.jobs j
        join piton.limited_stages l on l.version_id = j.version_id and l.stage = j.stage
        join piton.stage_limits s on s.id = l.limit_id and num_nonnulls(s.concurrency, s.per_worker, s.rate_attempts) > 0
        where j.workflow_id = renew_limits.workflow and j.state = 'running' and j.limit_id is distinct from l.limit_id
        order by j.run_id, j.id
        for no key update of j
    )
    update piton.jobs j set limit_id = t.limit_id
    from theirs t
    where j.run_id = t.run_id and j.id = t.id;
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.renew_limits(bigint) is 'For Piton itself: brings piton.stage_limits and piton.limited_stages up to date with the current version of a workflow.';
