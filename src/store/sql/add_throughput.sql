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
    set done = t.done + excluded.done, given_up = t.given_up + excluded.given_up, failed = t.failed + excluded.failed,
        attempts = t.attempts + excluded.attempts, seconds = t.seconds + excluded.seconds, begun = t.begun + excluded.begun,
        waited = t.waited + excluded.waited, told_at = excluded.told_at, told = excluded.told
)
-- In the order of the key: several workers add to these rows.
insert into piton.stage_times as t (workflow_id, stage, attempts, seconds, jobs, splits, items)
select c.workflow_id, c.stage, c.attempts, c.seconds, c.done + c.given_up, c.splits, c.items
from told c
where c.attempts > 0 or c.done > 0 or c.given_up > 0
order by c.workflow_id, c.stage
-- The latest thousand attempts or so are what counts.
on conflict (workflow_id, stage) do update
set attempts = t.attempts * least(1, 1000 / (t.attempts + 1)) + excluded.attempts,
    seconds = t.seconds * least(1, 1000 / (t.attempts + 1)) + excluded.seconds,
    jobs = t.jobs * least(1, 1000 / (t.attempts + 1)) + excluded.jobs,
    splits = t.splits * least(1, 1000 / (t.attempts + 1)) + excluded.splits,
    items = t.items * least(1, 1000 / (t.attempts + 1)) + excluded.items,
    updated_at = now()
