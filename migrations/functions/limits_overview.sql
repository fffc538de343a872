create or replace view piton.limits_overview as
select w.name as workflow, s.stage, s.concurrency, s.rate_attempts, s.rate_period, r.running,
       (select count(*) from piton.jobs j where j.limit_id = s.id and j.state = 'limited') as waiting,
       case when r.wait is not null then s.next_at end as next_at,
       case when s.concurrency <= r.running
            then r.running || ' of ' || s.concurrency || ' attempts run' || coalesce(', on ' || held.names, '')
            when r.wait is not null
            then s.rate_attempts || ' attempts in ' || piton.span_words(s.rate_period) || ', the next at ' || piton.clock(s.next_at)
       end as reached,
       s.id as limit_id, s.per_worker, busy.workers as busy_workers
from piton.stage_limits s
join piton.workflows w on w.id = s.workflow_id
cross join lateral piton.limit_room(s.id, now()) as r
left join lateral (
    select string_agg(k.name || case when k.jobs > 1 then ' (' || k.jobs || ')' else '' end, ', ' order by k.name) as names
    from (
        select l.name, count(*) as jobs
        from piton.jobs j join piton.workers l on l.id = j.worker_id
        where j.limit_id = s.id and j.state = 'running'
        group by l.name
    ) as k
) as held on true
left join lateral (
    select array_agg(k.name order by k.name) as workers
    from (
        select o.name
        from piton.jobs j
        join piton.workers l on l.id = j.worker_id
        -- What a worker has running alone runs beside its other attempts.
        join piton.workers o on o.id = coalesce(l.parent, l.id)
        where j.limit_id = s.id and j.state = 'running'
        group by o.id, o.name
        having count(*) >= s.per_worker
    ) as k
) as busy on s.per_worker is not null
where num_nonnulls(s.concurrency, s.per_worker, s.rate_attempts) > 0;
comment on view piton.limits_overview is 'Stages with limits, and how far they are reached.';
comment on column piton.limits_overview.workflow is 'Name of the workflow.';
comment on column piton.limits_overview.stage is 'Name of the stage.';
comment on column piton.limits_overview.concurrency is 'Attempts that may run at once; empty for no limit.';
comment on column piton.limits_overview.rate_attempts is 'Attempts that may begin within rate_period; empty for no limit.';
comment on column piton.limits_overview.rate_period is 'The time that rate_attempts are for.';
comment on column piton.limits_overview.running is 'Attempts that run.';
comment on column piton.limits_overview.waiting is 'Jobs that wait for the limit, or for a slot behind it.';
comment on column piton.limits_overview.next_at is 'When the rate allows the next attempt; empty where it does now.';
comment on column piton.limits_overview.reached is 'Which limit over all workers is reached, in words; empty where another attempt may begin.';
comment on column piton.limits_overview.limit_id is 'What jobs refer to it by.';
comment on column piton.limits_overview.per_worker is 'Attempts that may run at once on each worker; empty for no limit.';
comment on column piton.limits_overview.busy_workers is 'Workers that run as many as per_worker allows; empty where none does.';
