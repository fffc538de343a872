-- How many seconds the job has waited which has been claimable for longest, as far as the head of each queue and rank
-- tells; 0 when none is. A workflow of which something is paused does not count. Hops from head to head, however many jobs
-- stand behind them, and over no more than $1 of them.
with recursive head (workflow_id, rank, since) as (
    values (0::int8, 0::int2, null::timestamptz)
    union all
    select next.workflow_id, next.rank, next.since
    from head
    cross join lateral (
        select j.workflow_id, j.rank, j.since
        from piton.jobs j
        where j.state = 'ready' and (j.workflow_id, j.rank) > (head.workflow_id, head.rank)
        order by j.workflow_id, j.rank, j.due_at, j.id
        limit 1
    ) as next
)
select coalesce(extract(epoch from now() - piton.finite(min(since))), 0)::float8
from (
    (select workflow_id, since from head limit $1)
    union all
    -- What was set aside because some workers cannot run it waits for the others.
    (select l.workflow_id, h.since
     from piton.stage_limits l
     cross join lateral piton.limit_heads(l.id, 'limited', '{}', '{}') as h
     where l.concurrency is null and l.rate_attempts is null
     order by l.workflow_id, l.stage
     limit $1)
) as heads
where not exists (
    select from piton.pauses h where h.workflow_id = any(array[heads.workflow_id, 0]))
