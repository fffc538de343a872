-- Announces an artifact before its bytes are written, if the attempt that makes it still holds its job (promise 2). Returns
-- whether it does.
with claim as materialized (
    select j.run_id
    from piton.jobs j
    where j.run_id = any(array[$1::int8]) and j.id = $2::int8
      and j.stage = $3::int2 and j.item = $4::int4 and j.attempt = $5::int4 and j.worker_id = $6::int8
    for share
),
announced as (
    insert into piton.artifacts (id, run_id, job_id, stage, item, attempt, worker_id, name, declared, address, content_type)
    select $7::uuid, run_id, $2, $3, $4, $5, $6, $8::text, $9::text, $10::text, $11::text from claim
    -- The same one again: its first answer was lost on the way.
    on conflict (id) do nothing
)
select exists (select from claim)
