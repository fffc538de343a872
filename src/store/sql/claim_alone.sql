-- Claims one suspected job for boot $1, of the workflows $2 without what is paused and the stages ($3, $4) that this worker
-- cannot run: the one that has waited longest. Where its stage has a limit, it is not claimed but
-- set aside, as in claim.sql. $5 is the token of this claim. The lock on the worker's row is that of claim.sql.
with me as materialized (
    select id from piton.workers where id = $1 and stopped_at is null for share
),
queue as materialized (
    select q.workflow_id from piton.open_queues($2::int8[]) as q
),
picked as materialized (
    select p.run_id, p.id, p.since, p.limit_id
    from me
    cross join queue q
    cross join lateral (
        select j.run_id, j.id, j.since,
               (select l.limit_id from piton.limited_stages l
                where l.version_id = any(array[j.version_id]) and l.stage = j.stage) as limit_id
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'suspect' and j.limit_id is null
          and piton.can_begin(j.attempt, j.stage, j.item)
          and (select v.id from piton.workflow_versions v where v.id = any(array[j.version_id])) is not null
          and not exists (
              select from unnest($3::int8[], $4::int2[]) as u (version_id, stage)
              where u.version_id = j.version_id and u.stage = j.stage)
          and not exists (
              select from piton.paused_stages s
              where s.version_id = any(array[j.version_id]) and s.stage = j.stage)
        order by j.due_at, j.id
        limit 1
        for no key update skip locked
    ) as p
    limit 1
)
update piton.jobs j
set state = case when p.limit_id is null then 'running' else j.state end,
    worker_id = case when p.limit_id is null then $1 end,
    attempt = j.attempt + (p.limit_id is null)::int4,
    token = case when p.limit_id is null then $5::int8 else j.token end,
    limit_id = p.limit_id,
    since = case when p.limit_id is null then now() else j.since end
from picked p
where j.run_id = any(array[p.run_id]) and j.id = p.id
returning j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.attempt, j.token, j.since, j.rank,
          j.due_at,
          p.since as claimable_since, p.limit_id is not null as set_aside
