-- Makes jobs of a worker boot that has ended claimable again, at most $2 in one pass, and records each lost attempt.
-- A row that is being committed at this moment is skipped; the next pass finds it, or it has ended. Items that were still
-- to come after a lost one stay behind it.
with held as materialized (
    select run_id, id, since from piton.jobs
    where worker_id = $1 and state = 'running'
    order by run_id, id
    limit $2
    for no key update skip locked
),
freed as (
    update piton.jobs j
    set state = 'ready', worker_id = null, since = now(), progress_done = null, progress_of = null, progress_note = null
    from held h
    where j.run_id = any(array[h.run_id]) and j.id = h.id
    returning j.run_id, j.stage, j.item, j.attempt, h.since as started_at
),
lost as (
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
    select run_id, stage, item, attempt, 'lost', 'crashed', $3, $1, started_at from freed
)
select count(*) as freed, (select count(*) from (
    select pg_notify('piton_jobs', '') where exists (select from freed)) as woken) as woken
from freed
