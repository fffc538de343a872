-- A hand-off that is committed alone, as commit_common.sql does it: most of what it takes to run a plan is to start it, and this one
-- has only what it needs. tests/promises/common_ends.rs compares it with the others.
with kept as (
    -- It stays claimed, in its place: no indexed column changes (a HOT update).
    update piton.jobs set
        deaths = 0, limit_id = null, stage = $8::int2, item = $9::int4, until = $10::int4, attempt = 1, since = now(),
        progress_done = null, progress_of = null, progress_note = null
    where run_id = $1::int8 and id = $2::int8
      and stage = $3::int2 and item = $4::int4 and attempt = $5::int4 and worker_id = $6::int8 and token = $7::int8
    returning run_id
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select run_id, $3, $4, $5, $6, $11::timestamptz, octet_length($12::text), $13::bytea, $12::json from kept
)
select 1::int8 as ord, false as woke, now() as at, false as ended_run from kept
