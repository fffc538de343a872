-- What boot $1 has to know about once a second: whether it still counts as alive, when the next scheduled job is due,
-- the best place among the ready jobs of the workflows $6 that it has handlers for ($7, $8 are the stages it has none
-- for), how many suspects wait there (no more than $9 are counted), what is paused, which stages have limits and whether a
-- limit has room for one of its jobs, whether a run is past its deadline,
-- whether batches have items that have not begun (null where there are none) and are due to be fed, and, in a row each, the
-- other boots that seem gone: their session lock is free, their heartbeat is older than the lease ($2), or they have ended and
-- jobs of theirs are still to be freed. One whose lock is still held has not died: it is frozen, or cut off.
-- With $4 it also says that it is alive itself, and what it serves; $5 tells the others to go by its session lock or not,
-- where that changed.
with beat as (
    update piton.workers
    set last_seen = now(), lock_held = coalesce($5, lock_held), serves = $6, lacks_versions = $7, lacks_stages = $8
    where $4 and id = $1 and stopped_at is null
),
-- What is paused, for branches that would go on in their slots: workflows (0 is every one), and stages.
paused as (
    select (select array_agg(workflow_id) from piton.pauses where stage = '') as workflows,
           (select array_agg(version_id order by version_id, stage) from piton.paused_stages) as versions,
           (select array_agg(stage order by version_id, stage) from piton.paused_stages) as stages
),
queue as materialized (
    select q.workflow_id
    from unnest($6::int8[]) as q (workflow_id)
    where not exists (
        select from piton.pauses h where h.workflow_id = any(array[q.workflow_id, 0]) and h.stage = '')
),
waiting as (
    select p.rank, p.due_at
    from queue q
    cross join lateral (
        select j.rank, j.due_at
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'ready'
          and not exists (
              select from unnest($7::int8[], $8::int2[]) as u (version_id, stage)
              where u.version_id = j.version_id and u.stage = j.stage)
          and not exists (
              select from piton.paused_stages s
              where s.version_id = any(array[j.version_id]) and s.stage = j.stage)
        order by j.rank, j.due_at, j.id
        limit 1
    ) as p
    order by p.rank, p.due_at
    limit 1
),
suspected as (
    select count(*) as suspects
    from (
        select
        from queue q
        cross join lateral (
            select from piton.jobs j
            where j.workflow_id = q.workflow_id and j.state = 'suspect'
              and (j.limit_id is null
                   or exists (select from piton.limit_room(j.limit_id, now()) r where r.room > 0))
              and not exists (
                  select from unnest($7::int8[], $8::int2[]) as u (version_id, stage)
                  where u.version_id = j.version_id and u.stage = j.stage)
              and not exists (
                  select from piton.paused_stages s
                  where s.version_id = any(array[j.version_id]) and s.stage = j.stage)
            order by j.due_at, j.id
            limit $9
        ) as s
        limit $9
    ) as counted
),
-- Whether a claim under a limit would find something.
limited as (
    select exists (
        select
        from queue q
        join piton.stage_limits l on l.workflow_id = any(array[q.workflow_id])
        cross join lateral piton.limit_room(l.id, now()) as r
        where r.room > 0
          and not exists (
              select from piton.pauses h where h.workflow_id = any(array[l.workflow_id]) and h.stage = l.stage)
          and exists (
              select from piton.jobs j
              where j.limit_id = any(array[l.id]) and j.state = 'limited'
                and not exists (
                    select from unnest($7::int8[], $8::int2[]) as u (version_id, stage)
                    where u.version_id = j.version_id and u.stage = j.stage))) as has_room,
           (select array_agg(version_id order by version_id, stage) from piton.limited_stages) as versions,
           (select array_agg(stage order by version_id, stage) from piton.limited_stages) as stages
),
gone as (
    select id, name, host, pid, last_seen, stopped_at is not null as ended, stop_reason = 'drained' as drained, exit,
           last_seen < now() - $2 * interval '1 millisecond' as lease_over,
           case when lock_held and stopped_at is null then not pg_try_advisory_xact_lock_shared($3, id::int4) else false end
               as locked
    from piton.workers
    where not cleared and id <> $1
      and (stopped_at is not null or last_seen < now() - $2 * interval '1 millisecond'
           or lock_held and pg_try_advisory_xact_lock_shared($3, id::int4))
)
select exists (select from piton.workers where id = $1 and stopped_at is null) as alive,
       (select ceil(extract(epoch from min(due_at) - now()) * 1000)::int8
        from piton.jobs where state = 'scheduled') as next_due_ms,
       waiting.rank as waiting_rank, waiting.due_at as waiting_due_at,
       gone.id as gone_id, gone.name as gone_name, gone.host as gone_host, gone.pid as gone_pid,
       gone.last_seen as gone_last_seen, gone.ended as gone_ended,
       gone.lease_over as gone_lease_over, coalesce(gone.drained, false) as gone_drained, gone.locked as gone_locked,
       gone.exit as gone_exit,
       suspected.suspects, paused.workflows as paused_workflows, paused.versions as paused_versions,
       paused.stages as paused_stages,
       limited.has_room as has_room_under_limits, limited.versions as limited_versions, limited.stages as limited_stages,
       exists (select from piton.deadlines where at <= now()) as overdue,
       (select bool_or(b.feed_at <= now()) from piton.batches b
        where b.state = 'sealed'
          and not exists (
              select from piton.pauses h where h.workflow_id = any(array[b.workflow_id, 0]) and h.stage = '')) as batches_due,
       pg_postmaster_start_time() > now() - interval '10 seconds' as database_is_young
from suspected
cross join paused
cross join limited
left join waiting on true
left join gone on true
