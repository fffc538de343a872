-- Announces an artifact before its bytes are written, if the attempt that makes it still holds its job (promise 2). Returns
-- its address: what the worker has made of it, below what this database has of the store.
with claim as materialized (
    select j.run_id
    from piton.jobs j
    where j.run_id = any(array[$1::int8]) and j.id = $2::int8
      and j.stage = $3::int2 and j.item = $4::int4 and j.attempt = $5::int4 and j.worker_id = $6::int8 and j.token = $7::int8
    for share
),
place as materialized (
    select 'runs/db-' || piton.store_owner() || '/' || $11::text as address
),
announced as (
    insert into piton.artifacts (id, run_id, job_id, stage, item, attempt, worker_id, token, name, declared, address,
                                 content_type)
    select $8::uuid, run_id, $2, $3, $4, $5, $6, $7, $9::text, $10::text, p.address, $12::text from claim, place p
    -- The same one again: its first answer was lost on the way.
    on conflict (id) do nothing
)
select case when exists (select from claim) then p.address end from place p
