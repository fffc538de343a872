-- piton.throughput_overview, added up for each workflow.
create or replace view piton.outlook_overview as
with stage as materialized (
    select * from piton.throughput_overview
),
flow as materialized (
    select w.id as workflow_id, s.workflow, sum(s.done_per_minute) as per_minute, sum(s.done_per_minute_before) as per_minute_before,
           least(sum(s.waiting), 9e18)::int8 as waiting, least(sum(s.running), 9e18)::int8 as running,
           least(sum(s.to_come), 9e18)::int8 as to_come,
           sum(s.work_left_seconds) as seconds, sum(s.movable_work_seconds) as movable_seconds, sum(s.busy_attempts) as busy, bool_or(s.is_estimate) as is_estimate,
           max(s.stage) filter (where s.is_bottleneck) as bottleneck, max(s.hold) filter (where s.is_bottleneck) as hold,
           max(s.empty_seconds) filter (where s.is_bottleneck and s.hold = 'limit' and s.waiting > 0) as limit_seconds,
           (array_agg(s.stage order by s.mean_seconds desc, s.stage) filter (where s.mean_seconds is not null))[1] as slowest_stage,
           max(s.mean_seconds) as slowest_seconds,
           (array_agg(s.stage order by s.waiting desc, s.stage) filter (where s.waiting > 0))[1] as longest_queue
    from stage s
    join piton.workflows w on w.name = s.workflow
    group by w.id, s.workflow
),
-- What was left then; 0 where others were looked at and this one had nothing.
noted as (
    select f.workflow_id, max(b.seconds) filter (where at.name = 'ten') as ten_ago,
           max(b.seconds) filter (where at.name = 'two') as two_ago, max(b.seconds) filter (where at.name = 'one') as one_ago
    from flow f
    cross join (values ('ten', interval '10 minutes'), ('two', interval '150 seconds'), ('one', interval '80 seconds')) as at (name, ago)
    cross join lateral (
        select a.minute from piton.backlog a
        where a.workflow_id = 0 and a.minute between now() - at.ago - interval '2 minutes' and now() - at.ago
        order by a.minute desc limit 1
    ) as look
    cross join lateral (
        select coalesce((select l.seconds from piton.backlog l where l.minute = look.minute and l.workflow_id = f.workflow_id), 0) as seconds
    ) as b
    group by f.workflow_id
),
-- Nothing is empty before its last retry is due and its last sleep is over. Of very many, the latest ones are looked at.
late as materialized (
    select l.workflow_id, extract(epoch from max(l.due_at) - now())::float8 as seconds
    from ((select j.workflow_id, j.due_at from piton.jobs j
           where j.state = 'scheduled' and j.attempt > 0 and j.due_at < 'infinity' order by j.due_at desc limit 20000)
          union all
          (select j.workflow_id, s.deadline
           from (select w.run_id, w.job_id, w.deadline from piton.waits w
                 where w.outcome is null and w.kind = 'sleep' order by w.deadline desc limit 20000) as s
           join piton.jobs j on j.run_id = s.run_id and j.id = s.job_id)) as l
    group by l.workflow_id
),
-- Up to 20,000 dead letters are looked at.
blocked as materialized (
    select d.workflow_id, count(distinct d.run_id) as runs
    from (select p.workflow_id, p.run_id from piton.dead_letters p
          where p.resolution = 'pending' order by p.run_id, p.stage, p.item limit 20000) as d
    group by d.workflow_id
),
told as (
    select f.*, coalesce(b.runs, 0) as blocked, n.ten_ago, n.two_ago, l.seconds as late_seconds,
           case when f.waiting + f.running + f.to_come = 0 then null
                when f.running = 0 and exists (select from piton.pauses p where p.workflow_id in (f.workflow_id, 0) and p.stage = '')
                then case when exists (select from piton.pauses p where p.workflow_id = 0) then 'everything is paused' else 'the workflow is paused' end
                when f.running = 0 and f.hold = 'paused' then f.bottleneck || ' is paused'
                when not exists (select from piton.workers_overview k where k.state = 'alive')
                then 'no worker is alive'
                when f.running = 0
                     and exists (select from piton.stage_names s
                                 join piton.holds h on h.version_id = s.version_id and h.stage = s.stage
                                 where s.workflow_id = f.workflow_id and s.name = f.bottleneck and h.state = 'ready' and h.reason = 'no_handler')
                then 'no live worker has what ' || f.bottleneck || ' needs'
                -- Of one that is only just sealed a worker has not looked yet.
                when f.running + f.waiting = 0
                     and exists (select from piton.batches b
                                 where b.workflow_id = f.workflow_id and b.state = 'sealed' and b.feed_at > now())
                then 'no item of its batches has room to begin'
                when f.hold = 'stuck' then 'no worker has begun a job of ' || f.bottleneck
                when coalesce(f.busy, 0) < 1e-9 or f.per_minute = 0 then 'no job was done in the last ten minutes'
                when f.seconds > n.one_ago * 1.01 and n.one_ago > n.two_ago * 1.01 then 'more comes in than is done'
           end as why_not
    from flow f
    left join noted n on n.workflow_id = f.workflow_id
    left join late l on l.workflow_id = f.workflow_id
    left join blocked b on b.workflow_id = f.workflow_id
)
select t.workflow, t.per_minute as done_per_minute, t.per_minute_before as done_per_minute_before, t.waiting, t.running, t.to_come,
       t.seconds as work_left_seconds, t.movable_seconds as movable_work_seconds, t.ten_ago as work_left_seconds_before,
       case when t.seconds = 0 and coalesce(t.ten_ago, 0) = 0 then 'empty'
            when t.ten_ago is null then 'unknown'
            when t.seconds > 1.1 * t.ten_ago then 'worse'
            when t.seconds < t.ten_ago / 1.1 then 'better'
            else 'same' end as trend,
       case when t.seconds = 0 then 0
            when t.why_not is null then greatest(t.seconds / t.busy, t.limit_seconds, t.late_seconds) end as empty_seconds,
       t.why_not as why_not_empty, t.bottleneck, t.hold as bottleneck_hold, t.slowest_stage, t.slowest_seconds, t.longest_queue,
       t.is_estimate, t.blocked as blocked_runs
from told t;
comment on view piton.outlook_overview is 'How each workflow that is at work is doing: how much, how fast, better or worse than ten minutes ago, when there is nothing left, and what holds it up.';
comment on column piton.outlook_overview.workflow is 'Name of the workflow.';
comment on column piton.outlook_overview.done_per_minute is 'Jobs of all its stages that are done per minute, as in piton.throughput_overview.';
comment on column piton.outlook_overview.done_per_minute_before is 'The same in the ten minutes before; empty where it was not at work then.';
comment on column piton.outlook_overview.waiting is 'Jobs that wait now.';
comment on column piton.outlook_overview.running is 'Attempts that run now.';
comment on column piton.outlook_overview.to_come is 'Jobs that its live runs will have in later stages, and all those of the items of batches that have not begun.';
comment on column piton.outlook_overview.work_left_seconds is 'How long all of these take one after another.';
comment on column piton.outlook_overview.movable_work_seconds is 'The part of it that more workers could do now.';
comment on column piton.outlook_overview.work_left_seconds_before is 'What was left ten minutes ago; empty where no worker noted it then.';
comment on column piton.outlook_overview.trend is 'Whether less is left than ten minutes ago: better, worse (by more than a tenth), same, empty (nothing is left, or was), or unknown.';
comment on column piton.outlook_overview.empty_seconds is 'How long until nothing is left, at the present pace and if nothing comes in: what is left, divided by the attempts that were running side by side (piton.throughput_overview.busy_attempts); for a bottleneck with a limit, its own pace. Empty where it does not empty at this rate.';
comment on column piton.outlook_overview.why_not_empty is 'Why it does not empty.';
comment on column piton.outlook_overview.bottleneck is 'The stage that limits its pace.';
comment on column piton.outlook_overview.bottleneck_hold is 'paused, limit or stuck, as in piton.throughput_overview; empty where it is the stage with most of the work.';
comment on column piton.outlook_overview.slowest_stage is 'The stage whose attempts took longest in the last ten minutes.';
comment on column piton.outlook_overview.slowest_seconds is 'How long, on average.';
comment on column piton.outlook_overview.longest_queue is 'The stage at which most jobs wait.';
comment on column piton.outlook_overview.is_estimate is 'waiting, running and to_come are estimated, for there are more than 20,000 jobs in one state.';
comment on column piton.outlook_overview.blocked_runs is 'Runs that are blocked by dead letters, up to 20,000 of all workflows: what is left of them comes after a decision, and is not counted.';
