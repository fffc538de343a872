-- The stages of run $1; $2 are the numbers of those that fan out.
with live as (
    select stage,
           count(*) filter (where state = 'running') as running,
           -- All items of a branch are ready, but for the one under way.
           coalesce(sum(until::int8 - item - (state in ('running', 'scheduled', 'waiting'))::int4), 0)::int8 as ready,
           count(*) filter (where state = 'scheduled') as scheduled,
           count(*) filter (where state = 'waiting') as waiting,
           min(due_at) filter (where state = 'scheduled') as due_at,
           min(since) filter (where state = 'running') as started_at,
           max(attempt) as attempt
    from piton.jobs where run_id = $1 group by stage
),
-- What a job waited is a part of it.
waited as (
    select stage, min(since) as since from piton.waits where run_id = $1 group by stage
),
noted as (
    select distinct on (stage) stage, progress_done, progress_of, progress_note
    from piton.jobs where run_id = $1 and progress_note is not null
    order by stage, since desc
),
done as (
    select stage, count(*) filter (where item <> -1 or not stage = any($2)) as done,
           count(skipped) as skipped, min(skipped) as skip_reason,
           -- Words of piton.settle_quorum.
           count(*) filter (where skipped like 'enough items are done: %') as cancelled,
           min(started_at) as started_at, max(finished_at) as finished_at, max(attempt) as attempt
    from piton.checkpoints where run_id = $1 group by stage
),
split as (
    select stage, (output::text)::int8 as items
    from piton.checkpoints where run_id = $1 and stage = any($2) and item = -1
),
failed as (
    select stage, count(*) filter (where outcome = 'failed') as failures, max(attempt) as attempt
    from piton.attempts where run_id = $1 group by stage
),
dead as (
    select stage, count(*) filter (where resolution = 'pending') as dead,
           count(distinct item) filter (where not done_again and resolution <> 'pending') as tolerated
    from piton.dead_letters where run_id = $1 and resolution in ('pending', 'tolerated', 'dismissed') group by stage
),
last as (
    select distinct on (stage) stage, class, message
    from piton.attempts where run_id = $1 and class is not null
    order by stage, ended_at desc
)
select stage::int2 as stage,
       coalesce(done.done, 0) as done,
       coalesce(done.skipped, 0) as skipped,
       coalesce(done.cancelled, 0) as cancelled,
       coalesce(dead.tolerated, 0) as tolerated,
       done.skip_reason,
       split.items,
       coalesce(live.running, 0) as running,
       coalesce(live.ready, 0) as ready,
       coalesce(live.scheduled, 0) as scheduled,
       coalesce(live.waiting, 0) as waiting,
       coalesce(dead.dead, 0) as dead,
       live.due_at,
       greatest(live.attempt, done.attempt, failed.attempt, 0) as attempt,
       coalesce(failed.failures, 0) as failures,
       last.class as last_class,
       last.message as last_message,
       noted.progress_done, noted.progress_of, noted.progress_note,
       least(done.started_at, live.started_at, waited.since) as started_at,
       live.started_at as running_since,
       case when live.stage is null then done.finished_at end as finished_at
from (select stage from live union select stage from done union select stage from failed) as s
left join live using (stage)
left join done using (stage)
left join split using (stage)
left join failed using (stage)
left join dead using (stage)
left join last using (stage)
left join noted using (stage)
left join waited using (stage)
order by stage
