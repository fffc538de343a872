-- Adds what boot $1 has counted in the last $4 milliseconds, as its addition number $2: rows of $3. One that landed before, the
-- answer of which was lost, adds nothing.
with landed as materialized (
    select from piton.throughput t
    where t.minute > now() - interval '20 minutes' and t.worker_id = $1 and t.told >= $2
    limit 1
),
told as materialized (
    select w.id as workflow_id, c.*
    from json_to_recordset($3::text::json) as c (
        workflow text, stage text, done int8, given_up int8, failed int8, attempts int8, seconds float8, begun int8,
        waited float8, splits int8, items int8)
    join piton.workflows w on w.name = any(array[c.workflow])
    where not exists (select from landed)
),
counted as (
    insert into piton.throughput as t (minute, worker_id, workflow_id, stage, done, given_up, failed, attempts, seconds, begun,
                                       waited, since, told_at, told)
    select date_trunc('minute', now(), 'UTC'), $1, c.workflow_id, c.stage, c.done, c.given_up, c.failed, c.attempts, c.seconds,
           c.begun, c.waited, now() - $4 * interval '1 millisecond', now(), $2
    from told c
    on conflict (minute, worker_id, workflow_id, stage) do update
    -- What makes no sense is begun anew, as the next one is.
    set (done, given_up, failed, attempts, seconds, begun, waited, since) = (
            select coalesce(k.done, 0) + excluded.done, coalesce(k.given_up, 0) + excluded.given_up,
                   coalesce(k.failed, 0) + excluded.failed, coalesce(k.attempts, 0) + excluded.attempts,
                   coalesce(k.seconds, 0) + excluded.seconds, coalesce(k.begun, 0) + excluded.begun,
                   coalesce(k.waited, 0) + excluded.waited, coalesce(k.since, excluded.since)
            from (select) as one
            left join lateral (select t.* where piton.is_sound_throughput(t)) as k on true
        ), told_at = excluded.told_at, told = excluded.told
)
-- In the order of the key: several workers add to these rows.
insert into piton.stage_times as t (workflow_id, stage, attempts, seconds, jobs, splits, items)
select c.workflow_id, c.stage, c.attempts, c.seconds, c.done + c.given_up, c.splits, c.items
from told c
where c.attempts > 0 or c.done > 0 or c.given_up > 0
order by c.workflow_id, c.stage
-- The latest thousand attempts or so are what counts.
on conflict (workflow_id, stage) do update
set (attempts, seconds, jobs, splits, items) = (
        select coalesce(t.attempts * k.part, 0) + excluded.attempts, coalesce(t.seconds * k.part, 0) + excluded.seconds,
               coalesce(t.jobs * k.part, 0) + excluded.jobs, coalesce(t.splits * k.part, 0) + excluded.splits,
               coalesce(t.items * k.part, 0) + excluded.items
        from (select case when piton.is_sound_stage_times(t) then least(1, 1000 / (t.attempts + 1)) end as part) as k
    ),
    updated_at = now()
