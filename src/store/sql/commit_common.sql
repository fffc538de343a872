-- The common ends of a small batch, as commit.sql does them with a third of the plan: a branch that stays with its worker for the next
-- stage or item, and one that ends, perhaps with its run. Their checkpoints and their jobs in one statement (promise 1), under the same
-- fence (promise 2). With anything else among the ends, commit.sql is sent instead; tests/promises/common_ends.rs compares the two.
--
-- $1 to $14 are arrays with an element for every attempt; $8 is null where the branch ends. To start the plan is most of what a commit of
-- one end costs, so that it has no node that only rarer ends need.
--
-- Locks: own job rows in (run, job) order, then the runs that end.
with claim as materialized (
    select *
    from unnest($1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[], $7::int8[], $8::int2[], $9::int4[],
                $10::int4[], $11::timestamptz[], $12::text[], $13::bytea[], $14::bool[]) with ordinality
         as c (run_id, job_id, stage, item, attempt, worker_id, token, new_stage, new_item, new_until, started_at, output, digest,
               ends_run, ord)
),
kept as (
    -- It stays claimed, in its place: no indexed column changes (a HOT update).
    update piton.jobs j set
        deaths = 0, limit_id = null, stage = c.new_stage, item = c.new_item, until = c.new_until, attempt = 1, since = now(),
        progress_done = null, progress_of = null, progress_note = null
    from claim c
    where c.new_stage is not null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
    returning c.*
),
ended as (
    delete from piton.jobs j
    using claim c
    where c.new_stage is null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
    returning c.*
),
landed as materialized (
    select * from kept union all select * from ended
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select run_id, stage, item, attempt, worker_id, started_at, octet_length(output), digest, output::json from landed
),
done as (
    update piton.runs r set state = 'done', finished_at = now()
    from landed l
    where l.ends_run and r.id = any(array[l.run_id]) and r.state = 'running'
)
select ord, false as woke, now() as at, ends_run as ended_run from landed
