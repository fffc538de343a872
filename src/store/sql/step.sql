-- Records a step, if the attempt that ran it still holds its job (promise 2). Returns whether it does.
with claim as materialized (
    select j.run_id
    from piton.jobs j
    where j.run_id = any(array[$1::int8]) and j.id = $2::int8
      and j.stage = $3::int2 and j.item = $4::int4 and j.attempt = $5::int4 and j.worker_id = $6::int8 and j.token = $7::int8
    for share
),
recorded as (
    insert into piton.steps (run_id, stage, item, name, attempt, worker_id, digest, output)
    select run_id, $3, $4, $8::text, $5, $6, $9::bytea, $10::text::json from claim
    -- The same step again: its first answer was lost on the way.
    on conflict (run_id, stage, item, name) do nothing
)
select exists (select from claim)
