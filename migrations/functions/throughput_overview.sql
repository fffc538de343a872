-- One row for each stage that did something in the last twenty minutes, or has something left to do. Costs what is live, up to
-- 20,000 jobs of each state, and the minutes that are looked at.
create or replace view piton.throughput_overview as
with work as materialized (
    select l.workflow_id, l.name as stage, sum(l.waiting) as waiting, sum(l.running) as running, sum(l.to_come) as to_come,
           sum((l.waiting + l.running + l.to_come) * l.each_seconds) as seconds, sum(l.movable * l.each_seconds) as movable_seconds,
           sum(l.waiting + l.running + l.to_come) as jobs, min(l.oldest_since) as oldest_since, bool_or(l.is_estimate) as is_estimate
    from piton.work_left(20000) as l
    group by l.workflow_id, l.name
),
-- What makes no sense is as if it had not been counted.
told as materialized (
    select t.*
    from piton.throughput t
    where t.minute > now() - interval '21 minutes' and piton.is_sound_throughput(t)
),
-- Counts come up to ten seconds late: what was done until the last of them is divided by the time until then.
span as materialized (
    select s.workflow_id, s.now - interval '10 minutes' as ten_ago,
           extract(epoch from s.now - greatest(s.since, s.now - interval '10 minutes'))::float8 as seconds,
           extract(epoch from s.now - greatest(s.since, s.now - interval '3 minutes'))::float8 as late_seconds,
           extract(epoch from s.now - interval '10 minutes' - greatest(s.since, s.now - interval '20 minutes'))::float8 as seconds_before
    from (
        select t.workflow_id, min(t.since) as since,
               case when max(t.told_at) > now() - interval '10 seconds' then max(t.told_at) else now() end as now
        from told t
        group by t.workflow_id
    ) as s
),
counted as materialized (
    select t.workflow_id, t.stage,
           coalesce(sum(t.done) filter (where is_new.yes), 0) as done,
           coalesce(sum(t.done) filter (where not is_new.yes and t.told_at > s.ten_ago - interval '10 minutes'), 0) as done_before,
           coalesce(sum(t.done + t.given_up) filter (where is_late.yes), 0) as late_ended,
           coalesce(sum(t.done + t.given_up) filter (where is_new.yes), 0) as ended,
           coalesce(sum(t.failed) filter (where is_new.yes), 0) as failed,
           coalesce(sum(t.attempts) filter (where is_new.yes), 0) as attempts,
           coalesce(sum(t.seconds) filter (where is_new.yes), 0) as seconds,
           coalesce(sum(t.seconds) filter (where is_late.yes), 0) as late_seconds,
           coalesce(sum(t.begun) filter (where is_new.yes), 0) as begun,
           coalesce(sum(t.waited) filter (where is_new.yes), 0) as waited
    from told t
    join span s on s.workflow_id = t.workflow_id
    cross join lateral (select t.told_at > s.ten_ago as yes) as is_new
    cross join lateral (select t.told_at > s.ten_ago + interval '7 minutes' as yes) as is_late
    group by t.workflow_id, t.stage
),
-- The last three minutes tell more of now, where they are enough.
pace as materialized (
    select c.workflow_id, sum(c.late_ended) >= 20 as is_late from counted c group by c.workflow_id
),
rate as (
    select coalesce(c.workflow_id, k.workflow_id) as workflow_id, coalesce(c.stage, k.stage) as stage,
           coalesce(c.done / greatest(s.seconds, 1) * 60, 0) as per_minute,
           case when s.seconds_before > 0 then c.done_before / greatest(s.seconds_before, 1) * 60 end as per_minute_before,
           case when p.is_late then c.late_ended / greatest(s.late_seconds, 1) else c.ended / greatest(s.seconds, 1) end as ended_per_second,
           coalesce(case when p.is_late then c.late_seconds / greatest(s.late_seconds, 1)
                         else c.seconds / greatest(s.seconds, 1) end, 0) as busy,
           c.failed / nullif(c.attempts, 0)::float8 as failing, c.seconds / nullif(c.attempts, 0) as mean_seconds,
           c.waited / nullif(c.begun, 0) as mean_wait, coalesce(k.waiting, 0) as waiting, coalesce(k.running, 0) as running,
           coalesce(k.to_come, 0) as to_come, coalesce(k.jobs, 0) as jobs, coalesce(k.seconds, 0) as seconds,
           coalesce(k.movable_seconds, 0) as movable_seconds, k.oldest_since, coalesce(k.is_estimate, false) as is_estimate
    from counted c
    join span s on s.workflow_id = c.workflow_id
    join pace p on p.workflow_id = c.workflow_id
    full join work k on k.workflow_id = c.workflow_id and k.stage = c.stage
),
held as (
    select r.*,
           case when exists (select from piton.pauses p where p.workflow_id in (r.workflow_id, 0) and p.stage in ('', r.stage)) then 'paused'
                when exists (select from piton.stage_limits l
                             where l.workflow_id = r.workflow_id and l.stage = r.stage
                               and (l.concurrency is not null or l.rate_attempts is not null)) then 'limit'
                -- Neither a retry nor a moment's wait.
                when r.running = 0 and coalesce(r.ended_per_second, 0) = 0 and r.oldest_since < now() - interval '1 minute'
                then 'stuck' end as hold
    from rate r
),
-- How long it holds up the rest: what stands still for ever, what has a limit by its own pace, everything else by its part of
-- the work.
weight as (
    select h.*,
           case when h.jobs = 0 then 0
                when h.waiting + h.running > 0 and h.hold in ('paused', 'stuck') then 1e18
                when h.hold = 'limit' and h.waiting > 0
                then coalesce(greatest(h.jobs / nullif(h.ended_per_second, 0), h.seconds / nullif(sum(h.busy) over w, 0)), h.seconds)
                else coalesce(h.seconds / nullif(sum(h.busy) over w, 0), h.seconds) end as holds_up
    from held h
    window w as (partition by h.workflow_id)
)
select w.name as workflow, t.stage, t.per_minute as done_per_minute, t.per_minute_before as done_per_minute_before,
       case when t.jobs = 0 then 'empty'
            when t.per_minute = 0 then case when t.per_minute_before > 0 then 'stopped' else 'idle' end
            when t.per_minute_before is null or t.per_minute_before = 0 then 'new'
            when t.per_minute > 1.2 * t.per_minute_before then 'faster'
            when t.per_minute < t.per_minute_before / 1.2 then 'slower'
            else 'steady' end as trend,
       t.failing as failing_share, t.mean_seconds, t.mean_wait as mean_wait_seconds, least(t.waiting, 9e18)::int8 as waiting,
       least(t.running, 9e18)::int8 as running, least(t.to_come, 9e18)::int8 as to_come, t.seconds as work_left_seconds,
       t.movable_seconds as movable_work_seconds, t.busy as busy_attempts,
       case when t.jobs = 0 then 0
            when (t.hold in ('paused', 'stuck')) is not true
                 and exists (select from piton.workers_overview k where k.state = 'alive')
            then t.jobs / nullif(t.ended_per_second, 0) end as empty_seconds,
       t.holds_up > 0 and row_number() over (partition by t.workflow_id order by t.holds_up desc, t.waiting desc, t.stage) = 1 as is_bottleneck,
       t.hold, t.is_estimate
from weight t
join piton.workflows w on w.id = t.workflow_id;
comment on view piton.throughput_overview is 'How much each stage does and has left to do. Workers count what is done and add it every 10 seconds or so. Where more than 20,000 jobs are in one state, what is left is estimated.';
comment on column piton.throughput_overview.workflow is 'Name of the workflow.';
comment on column piton.throughput_overview.stage is 'Name of the stage.';
comment on column piton.throughput_overview.done_per_minute is 'Jobs done per minute in the last ten minutes, or since the workflow was first at work in them. A stage that is split into items has a job for the split, and one for each item.';
comment on column piton.throughput_overview.done_per_minute_before is 'The same in the ten minutes before that; empty where the workflow was not at work then.';
comment on column piton.throughput_overview.trend is 'faster or slower by more than a fifth, or steady; new (nothing was done before), stopped (nothing is done any more), idle (nothing was done in either), or empty (there is nothing left to do).';
comment on column piton.throughput_overview.failing_share is 'Share of the attempts of the last ten minutes that failed, from 0 to 1.';
comment on column piton.throughput_overview.mean_seconds is 'How long an attempt of the last ten minutes took, on average.';
comment on column piton.throughput_overview.mean_wait_seconds is 'How long it had waited to begin, on average.';
comment on column piton.throughput_overview.waiting is 'Jobs that wait now, for whatever reason, also for a retry. Items of one branch are counted one by one. Not what was started for later.';
comment on column piton.throughput_overview.running is 'Attempts that run now.';
comment on column piton.throughput_overview.to_come is 'Jobs that live runs, and the items of batches that have not begun, will have here later. Items of a stage that is not split yet are estimated from earlier runs.';
comment on column piton.throughput_overview.work_left_seconds is 'How long all of these take one after another: their number times the usual time of a job, with its retries.';
comment on column piton.throughput_overview.movable_work_seconds is 'The part of it that more workers could do now: without what is paused, waits for a limit or for more than a minute, and what is behind that, and without items of batches that have not begun.';
comment on column piton.throughput_overview.busy_attempts is 'How many attempts were running side by side on average, in the last three minutes where at least 20 jobs of the workflow ended in them, else in the last ten.';
comment on column piton.throughput_overview.empty_seconds is 'How long until nothing is left here, at that pace; empty where no job has ended, while it is paused or stuck, and while no worker is alive.';
comment on column piton.throughput_overview.is_bottleneck is 'The stage that holds its workflow up: it stands still, its limit takes longest, or most of the work that is left is here.';
comment on column piton.throughput_overview.hold is 'paused, limit (the stage has one), or stuck (jobs have waited for more than a minute, and none runs or has ended in ten minutes); else empty.';
comment on column piton.throughput_overview.is_estimate is 'waiting, running and to_come are estimated, for there are more than 20,000 jobs in one state.';
