-- Makes jobs ready whose time has come, at most $1 of each sort, and tells in how many milliseconds the next one is due: those that
-- were due later, and those whose wait ends by itself. That it has timed out is decided here and nowhere else, for the first end of a
-- wait counts: an answer that is just coming holds its row, which is left for the next time.
with due as materialized (
    select run_id, id from piton.jobs
    where state = 'scheduled' and due_at <= now()
    order by due_at
    limit $1
    for no key update skip locked
),
promoted as (
    update piton.jobs j set state = 'ready', since = now()
    from due d
    where j.run_id = any(array[d.run_id]) and j.id = d.id
    returning 1
),
over as materialized (
    select w.run_id, w.stage, w.item, w.job_id from piton.waits w
    where w.outcome is null and w.deadline <= now()
    order by w.deadline
    limit $1
),
-- Nothing is waited for, so that the order of these locks is no matter.
taken as materialized (
    select o.run_id, o.stage, o.item, o.job_id
    from over o
    cross join lateral (
        select from piton.jobs j
        where j.run_id = any(array[o.run_id]) and j.id = o.job_id and j.stage = o.stage and j.item = o.item and j.state = 'waiting'
        for no key update skip locked
    ) as j
    cross join lateral (
        select from piton.waits w
        -- "is true": it is looked up by its job, never among all that are due.
        where w.run_id = any(array[o.run_id]) and w.stage = o.stage and w.item = o.item
          and (w.outcome is null and w.deadline <= now()) is true
        for no key update skip locked
    ) as w
),
ended as (
    -- Before its timeout, the end of a poll's wait is the next poll.
    update piton.waits w
    set outcome = case when w.kind = 'poll' and w.latest > now() then 'due' else 'timed_out' end, ended_at = now()
    from taken t
    where w.run_id = any(array[t.run_id]) and w.stage = t.stage and w.item = t.item
),
awake as (
    update piton.jobs j set state = 'ready', since = now()
    from taken t
    where j.run_id = any(array[t.run_id]) and j.id = t.job_id
    returning 1
)
select greatest((select count(*) from promoted), (select count(*) from awake)) as promoted,
       -- A day at most, also where the next one is due at the end of all times.
       (select ceil(extract(epoch from least(d.at, now() + interval '1 day') - now()) * 1000)::int8
        from (select least((select min(due_at) from piton.jobs where state = 'scheduled' and due_at > now()),
                           (select min(deadline) from piton.waits where outcome is null and deadline > now())) as at) as d
        where d.at is not null) as next_due_ms
