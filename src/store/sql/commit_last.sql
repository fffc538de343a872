-- The end of a branch that is committed alone, with the end of its run where $8 says so: commit_common.sql for one attempt, see
-- commit_hand_off.sql. Locks: the job's row, then the run's.
with ended as (
    delete from piton.jobs
    where run_id = $1::int8 and id = $2::int8
      and stage = $3::int2 and item = $4::int4 and attempt = $5::int4 and worker_id = $6::int8 and token = $7::int8
    returning run_id
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select run_id, $3, $4, $5, $6, $9::timestamptz, octet_length($10::text), $11::bytea, $10::json from ended
),
done as (
    update piton.runs r set state = 'done', finished_at = now()
    from ended e
    where $8::bool and r.id = any(array[e.run_id]) and r.state = 'running'
)
select 1::int8 as ord, false as woke, now() as at, $8 as ended_run from ended
