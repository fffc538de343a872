-- What boot $1 has to know about once a second: whether it still counts as alive (null where nobody knows it), when the next scheduled job is due
-- or the next wait ends by itself, the best place among the ready jobs of the workflows $6 that it has handlers for ($7, $8 are the
-- stages it has none for) and whether many others stand before it, how many suspects wait there (no more than $9 are counted), what is paused, which
-- stages have limits and the best rank among the jobs that a limit has room for on this worker, whether a run is past its deadline,
-- whether schedules are due, whether batches have items that have not begun (null where there are none) and are due to be fed, and, in a row each, the
-- other boots that seem gone: their session lock is free, their heartbeat is older than their lease (or than $2 where $5 says
-- so, and where they told none), or they have ended and jobs of theirs are still to be freed. One whose lock is still held has not
-- died: it is frozen, or cut off.
-- With $4 it also says that it is alive itself, and what it serves.
-- Workers of older versions (lock_held) made their lock of two numbers ($3 and their id).
with beat as (
    update piton.workers
    set last_seen = now(), serves = $6, lacks_versions = $7, lacks_stages = $8
    where $4 and id = $1 and stopped_at is null
),
-- What is paused, for branches that would go on in their slots: workflows (0 is every one), and stages.
paused as (
    select (select array_agg(workflow_id) from piton.pauses where stage = '') as workflows,
           (select array_agg(version_id order by version_id, stage) from piton.paused_stages) as versions,
           (select array_agg(stage order by version_id, stage) from piton.paused_stages) as stages
),
queue as materialized (
    select q.workflow_id from piton.open_queues($6::int8[]) as q
),
-- No further than to the thousandth: where many stand there that nobody here may begin, they are to be set aside.
head as materialized (
    select p.rank, p.due_at,
           coalesce(p.place, (select 65 from piton.jobs j where j.workflow_id = q.workflow_id and j.state = 'ready'
                              order by j.rank, j.due_at, j.id offset 64 limit 1)) as place
    from queue q
    left join lateral (
        select h.rank, h.due_at, h.place
        from (
            select j.rank, j.due_at, j.id, j.version_id, j.stage,
                   row_number() over (order by j.rank, j.due_at, j.id) as place
            from piton.jobs j
            where j.workflow_id = q.workflow_id and j.state = 'ready'
              and piton.can_begin(j.attempt, j.stage, j.item)
            order by j.rank, j.due_at, j.id
            limit 1000
        ) as h
        where not exists (
                  select from unnest($7::int8[], $8::int2[]) as u (version_id, stage)
                  where u.version_id = h.version_id and u.stage = h.stage)
          and not exists (
              select from piton.paused_stages s
              where s.version_id = any(array[h.version_id]) and s.stage = h.stage)
        order by h.rank, h.due_at, h.id
        limit 1
    ) as p on true
),
waiting as (
    select h.rank, h.due_at from head h where h.rank is not null order by h.rank, h.due_at limit 1
),
suspected as (
    select count(*) as suspects
    from (
        select
        from queue q
        cross join lateral (
            select from piton.jobs j
            where j.workflow_id = q.workflow_id and j.state = 'suspect'
              and piton.can_begin(j.attempt, j.stage, j.item)
              -- What no process could read a definition for is not worth one.
              and (select v.id from piton.workflow_versions v where v.id = any(array[j.version_id])) is not null
              and (j.limit_id is null
                   or exists (select from piton.limit_room(j.limit_id, now()) r where r.room > 0)
                      and exists (select from piton.worker_room(j.limit_id, $1) r where r.room > 0))
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
-- The best rank that a claim under a limit would find.
limited as (
    select (select min(h.rank)
            from queue q
            join piton.stage_limits l on l.workflow_id = any(array[q.workflow_id])
            cross join lateral piton.limit_heads(l.id, 'limited', $7, $8) as h
            where not exists (
                      select from piton.pauses p where p.workflow_id = any(array[l.workflow_id]) and p.stage = l.stage)
              and exists (select from piton.limit_room(l.id, now()) r where r.room > 0)
              and exists (select from piton.worker_room(l.id, $1) r where r.room > 0)) as rank,
           (select array_agg(version_id order by version_id, stage) from piton.limited_stages) as versions,
           (select array_agg(stage order by version_id, stage) from piton.limited_stages) as stages
),
gone as (
    select *
    from (
        select w.id, w.name, w.host, w.pid, w.machine, w.process_start, w.parent is not null as has_parent,
               w.stopping_at is not null as stopping, w.death, w.last_seen, w.stopped_at is not null as ended,
               coalesce(w.stop_reason = 'drained', false) as drained, w.exit,
               w.last_seen < now() - coalesce(case when not $5 then w.lease end, $2 * interval '1 millisecond') as lease_over,
               case when w.stopped_at is not null then null
                    when w.session_lock is not null then not pg_try_advisory_xact_lock_shared(w.session_lock)
                    when w.lock_held then not pg_try_advisory_xact_lock_shared($3, w.id::int4) end as locked
        from piton.workers w
        where not w.cleared and w.id <> $1
        offset 0) as w
    where w.ended or w.lease_over or not w.locked
)
select (select w.stopped_at is null from piton.workers w where w.id = $1) as alive,
       -- A day at most, also where the next one is due at the end of all times.
       (select ceil(extract(epoch from least(greatest(d.at, now()), now() + interval '1 day') - now()) * 1000)::int8
        from (select least((select min(due_at) from piton.jobs where state = 'scheduled'),
                           (select min(deadline) from piton.waits where outcome is null)) as at) as d
        where d.at is not null) as next_due_ms,
       waiting.rank as waiting_rank, waiting.due_at as waiting_due_at,
       exists (select from head where place > 64) as is_crowded,
       gone.id as gone_id, gone.name as gone_name, gone.host as gone_host, gone.pid as gone_pid,
       gone.machine as gone_machine, gone.process_start as gone_process_start,
       coalesce(gone.has_parent, false) as gone_has_parent, coalesce(gone.stopping, false) as gone_stopping,
       gone.death as gone_death, gone.last_seen as gone_last_seen, gone.ended as gone_ended,
       gone.lease_over as gone_lease_over, coalesce(gone.drained, false) as gone_drained, gone.locked as gone_locked,
       gone.exit as gone_exit,
       suspected.suspects, paused.workflows as paused_workflows, paused.versions as paused_versions,
       paused.stages as paused_stages,
       limited.rank as limited_rank, limited.versions as limited_versions, limited.stages as limited_stages,
       exists (select from piton.deadlines where at <= now()) as overdue,
       (select bool_or(b.feed_at <= now()) from piton.batches b
        where b.state = 'sealed' and exists (select from piton.open_queues(array[b.workflow_id]))) as batches_due,
       -- Or the database's clock went back, and ticks count as decided that are still to come.
       exists (select from queue q
               where exists (select from piton.schedules s
                             where s.workflow_id = any(array[q.workflow_id]) and s.paused_at is null and s.look_at <= now())
                  or exists (select from piton.schedules s
                             where s.workflow_id = any(array[q.workflow_id]) and s.paused_at is null
                               and s.settled_until > now() + interval '1 minute')) as schedules_due,
       pg_postmaster_start_time() > now() - interval '10 seconds' as database_is_young,
       pg_postmaster_start_time() as server_started_at
from suspected
cross join paused
cross join limited
left join waiting on true
left join gone on true
