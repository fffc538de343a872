-- Takes jobs from a worker boot that has ended, at most $2 in one pass, and records each lost attempt. A row that is being
-- committed at this moment is skipped; the next pass finds it, or it has ended.
--
-- Where a process died ($4), each of them is suspected: it waits to run alone. One that had been suspected ran alone, so
-- that the death was its own: with $5 deaths it is convicted, and becomes a dead letter ($6 message, $7 fingerprint). Where its
-- process died together with the worker that had started it ($8), that is counted apart, and convicts it with $5 of those.
-- Items that were still to come after it become a branch of their own. A suspect stays one, whatever its worker's end.
-- Artifacts of a lost attempt are orphans.
-- Returns each of them, with what recovery is told in (piton.recoveries).
with held as materialized (
    select run_id, id, workflow_id, version_id, stage, item, until, attempt, rank, due_at, since,
           $4::bool or deaths > 0 as suspected,
           $4 and case when $8::bool then group_deaths else deaths end >= $5::int4 - 1 and can_end as convicted, can_end
    from piton.jobs
    -- Of a row that makes no sense no attempt is on record, and no dead letter: it must not keep the others from being freed.
    cross join lateral (select attempt > 0 and stage >= 0 and item >= -1 as can_end) as sound
    where worker_id = $1 and state = 'running'
    order by run_id, id
    limit $2
    for no key update of jobs skip locked
),
freed as (
    update piton.jobs j
    set state = case when h.suspected then 'suspect' else 'ready' end,
        deaths = greatest(least(j.deaths, 1000) + ($4 and not $8)::int4, h.suspected::int4),
        group_deaths = case when j.deaths = 0 then 0 else least(j.group_deaths, 1000) + ($4 and $8)::int4 end,
        until = case when h.suspected then least(j.item, 2147483646) + 1 else j.until end,
        worker_id = null, limit_id = null, since = now(), progress_done = null, progress_of = null, progress_note = null
    from held h
    where not h.convicted and j.run_id = any(array[h.run_id]) and j.id = h.id
),
removed as (
    delete from piton.jobs j using held h
    where h.convicted and j.run_id = any(array[h.run_id]) and j.id = h.id
),
rest as (
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank, due_at)
    select run_id, workflow_id, version_id, stage, item + 1, until, 'ready', rank, due_at
    from held
    where suspected and item >= 0 and until::int8 > item::int8 + 1
),
lost as (
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
    select run_id, stage, item, attempt, 'lost', 'crashed', $3, $1, piton.finite(since)
    from held
    where can_end
    on conflict do nothing
),
orphaned as (
    update piton.artifacts a set type = 'orphan'
    from held h
    where a.run_id = any(array[h.run_id]) and a.stage = h.stage and a.item = h.item and a.attempt = h.attempt
      and a.job_id = h.id and a.worker_id = $1 and (a.type = 'pending') is true
),
buried as (
    insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                    fingerprint, worker_id)
    select piton.new_id(), run_id, workflow_id, version_id, stage, item, attempt, rank, 'crashed', $6, $7, $1
    from held
    where convicted
    on conflict do nothing
),
blocked as (
    -- The state of the newest row counts: whoever has just decided about the run saw no dead letter of this statement.
    update piton.runs r set state = case r.state when 'running' then 'blocked' else r.state end
    from (select distinct run_id from held where convicted order by 1) as b
    where r.id = any(array[b.run_id])
),
named as materialized (
    select h.version_id, h.stage, w.name as workflow,
           coalesce(v.definition -> 'stages' -> h.stage::int4 ->> 'name', '#' || h.stage) as name
    from (select distinct version_id, stage from held) as h
    join piton.workflow_versions v on v.id = any(array[h.version_id])
    join piton.workflows w on w.id = any(array[v.workflow_id])
)
select r.uuid as run, n.workflow, n.name as stage, h.item, h.attempt, h.convicted, h.suspected,
       exists (select from piton.checkpoints k where k.run_id = any(array[h.run_id])) as resumes,
       (select count(*) from (
            select piton.wake_workers() where exists (select from held)) as woken) as woken
from held h
join named n on n.version_id = h.version_id and n.stage = h.stage
join piton.runs r on r.id = any(array[h.run_id])
