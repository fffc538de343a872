-- Claims ready jobs for boot $1: up to $3 of each workflow in $2 and $4 in all, best rank first, then oldest due, behind
-- the cursors ($5, $6, $7: where the last claim of that workflow stopped), leaving out workflows that are paused, and the stages
-- ($8, $9) that this worker lacks something for. A job of a stage that has a limit or is paused (piton.limited_stages) is not
-- claimed but set aside, for claims under the limit (piton.claim_limited): it is returned, so that the claim goes on behind it.
-- So is one that this worker cannot run, once no other one has claimed it for a second. $10 is the token of this claim, a part
-- of the fence of all that is written for it.
--
-- The cursor spares the walk over entries of claimed rows that an old snapshot elsewhere keeps from being cleaned up.
-- The shared lock on the worker's row, one for all jobs, orders the claim against the end of the boot: a boot that was
-- given up claims nothing more. No payload is read here: a row locked by SKIP LOCKED may be newer than this statement's
-- snapshot, and a checkpoint committed with it would be invisible. Inputs are read by the next statement.
with me as materialized (
    select id from piton.workers where id = $1 and stopped_at is null for share
),
queue as materialized (
    select q.workflow_id, q.rank, q.due_at, q.id
    from unnest($2::int8[], $5::int2[], $6::timestamptz[], $7::int8[]) as q (workflow_id, rank, due_at, id)
    where exists (select from piton.open_queues(array[q.workflow_id]))
),
picked as materialized (
    select p.run_id, p.id, p.since, p.limit_id
    from me
    cross join queue q
    cross join lateral (
        select j.run_id, j.id, j.since,
               coalesce(
                   (select l.limit_id from piton.limited_stages l
                    where l.version_id = any(array[j.version_id]) and l.stage = j.stage),
                   -- Most workers lack nothing.
                   case when cardinality($8::int8[]) > 0 and exists (
                            select from unnest($8::int8[], $9::int2[]) as u (version_id, stage)
                            where u.version_id = j.version_id and u.stage = j.stage)
                        then (select l.id from piton.workflow_versions v
                              join piton.stage_limits l
                                  on l.workflow_id = any(array[v.workflow_id]) and l.stage = v.stage_names[j.stage + 1]
                              where v.id = any(array[j.version_id])) end,
                   null) as limit_id
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'ready'
          and piton.can_begin(j.attempt, j.stage, j.item)
          and (j.rank, j.due_at, j.id) > (q.rank, q.due_at, q.id)
          and (cardinality($8::int8[]) = 0
               or not exists (
                   select from unnest($8::int8[], $9::int2[]) as u (version_id, stage)
                   where u.version_id = j.version_id and u.stage = j.stage)
               or j.since < now() - interval '1 second'
                  and exists (
                      select from piton.workflow_versions v
                      join piton.stage_limits l
                          on l.workflow_id = any(array[v.workflow_id]) and l.stage = v.stage_names[j.stage + 1]
                      where v.id = any(array[j.version_id])))
        order by j.rank, j.due_at, j.id
        limit $3
        for no key update skip locked
    ) as p
    limit $4
)
update piton.jobs j
set state = case when p.limit_id is null then 'running' else 'limited' end,
    worker_id = case when p.limit_id is null then $1 end,
    attempt = j.attempt + (p.limit_id is null)::int4,
    token = case when p.limit_id is null then $10::int8 else j.token end,
    limit_id = p.limit_id,
    since = case when p.limit_id is null then now() else j.since end
from picked p
where j.run_id = any(array[p.run_id]) and j.id = p.id
returning j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.attempt, j.token, j.since, j.rank,
          j.due_at,
          p.since as claimable_since, p.limit_id is not null as set_aside
