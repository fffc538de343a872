-- Common ends, as commit.sql does them with a third of the plan: branches that stay with their worker for the next stage or item, and
-- branches that end, perhaps with their runs. Their checkpoints and their jobs in one statement (promise 1), under the same
-- fence (promise 2). With anything else among the ends, commit.sql is sent instead; tests/promises/common_ends.rs compares the two.
--
-- $1 to $14 are arrays with an element for every attempt; $8 is null where the branch ends. To start the plan is much of what a commit of
-- few ends costs, so that it has no node that only rarer ends need. As in commit.sql, elements are taken by their ordinals, and only narrow
-- rows pass through the update.
--
-- Locks: own job rows in (run, job) order, then the runs that end.
with claim as materialized (
    select ord, ($1::int8[])[ord] as run_id, ($2::int8[])[ord] as job_id, ($3::int2[])[ord] as stage,
           ($4::int4[])[ord] as item, ($5::int4[])[ord] as attempt, ($6::int8[])[ord] as worker_id,
           ($7::int8[])[ord] as token, new_stage
    from unnest($8::int2[]) with ordinality as c (new_stage, ord)
),
kept as (
    -- It stays claimed, in its place: no indexed column changes (a HOT update).
    update piton.jobs j set
        deaths = 0, limit_id = null, stage = c.new_stage, item = ($9::int4[])[c.ord], until = ($10::int4[])[c.ord], attempt = 1,
        since = now(), progress_done = null, progress_of = null, progress_note = null
    from claim c
    where c.new_stage is not null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
    returning c.ord
),
ended as (
    delete from piton.jobs j
    using claim c
    where c.new_stage is null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
    returning c.ord
),
landed as materialized (
    select ord from kept union all select ord from ended
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select ($1::int8[])[ord], ($3::int2[])[ord], ($4::int4[])[ord], ($5::int4[])[ord], ($6::int8[])[ord],
           ($11::timestamptz[])[ord], octet_length(output), digest, output::json
    from unnest($12::text[], $13::bytea[]) with ordinality as o (output, digest, ord)
    where (ord in (select ord from landed)) is true
),
done as (
    update piton.runs r set state = 'done', finished_at = now()
    from landed l
    where ($14::bool[])[l.ord] and r.id = any(array[($1::int8[])[l.ord]]) and r.state = 'running'
)
-- In one row, whatever their number.
select now() as at, coalesce(array_agg(ord), '{}') as landed,
       coalesce(array_agg(ord) filter (where ($14::bool[])[ord]), '{}') as ended_runs
from landed
