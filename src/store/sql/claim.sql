-- Claims ready jobs: up to $2 of each workflow in $1, best rank first, then oldest due, leaving out the stages ($3, $4)
-- that this worker has no handler for. No payload is read here: a row locked by SKIP LOCKED may be newer than this
-- statement's snapshot, and a checkpoint committed with it would be invisible. Inputs are read by the next statement.
with picked as materialized (
    select p.run_id, p.id
    from unnest($1::int8[]) as q (workflow_id)
    cross join lateral (
        select j.run_id, j.id
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'ready'
          and not exists (
              select from unnest($3::int8[], $4::int2[]) as u (version_id, stage)
              where u.version_id = j.version_id and u.stage = j.stage)
        order by j.rank, j.due_at, j.id
        limit $2
        for no key update skip locked
    ) as p
)
update piton.jobs j
set state = 'running', worker_id = $5, attempt = j.attempt + 1, since = now()
from picked p
where j.run_id = p.run_id and j.id = p.id
returning j.run_id, j.id, j.version_id, j.stage, j.item, j.attempt, j.since
