-- Live jobs by stage and state. Walks what is live.
create or replace view piton.queue_depth as
select w.name as workflow, coalesce(v.definition -> 'stages' -> q.stage::int4 ->> 'name', '#' || q.stage) as stage, q.state,
       sum(q.jobs)::int8 as jobs, min(q.since) as oldest_since, min(q.due_at) as next_due_at
from (
    select j.workflow_id, j.version_id, j.stage, j.state, count(*) as jobs, min(j.since) as since,
           coalesce(min(j.due_at) filter (where j.state = 'scheduled'), min(w.deadline)) as due_at
    from piton.jobs j
    left join piton.waits w
        on j.state = 'waiting' and w.run_id = j.run_id and w.stage = j.stage and w.item = j.item and w.outcome is null
    group by j.workflow_id, j.version_id, j.stage, j.state
) as q
join piton.workflow_versions v on v.id = q.version_id
join piton.workflows w on w.id = q.workflow_id
group by 1, 2, 3;
comment on view piton.queue_depth is 'How many jobs are live, by stage and state.';
comment on column piton.queue_depth.workflow is 'Name of the workflow.';
comment on column piton.queue_depth.stage is 'Name of the stage.';
comment on column piton.queue_depth.state is 'ready, running, scheduled (due later), suspect (waiting to run alone), waiting (for something outside, see piton.waits_overview) or limited (set aside: its stage has a limit, is paused, or some workers cannot run it).';
comment on column piton.queue_depth.jobs is 'How many. A branch of a fan-out is one job, with the items that it has still to do.';
comment on column piton.queue_depth.oldest_since is 'Since when the oldest of them is in that state.';
comment on column piton.queue_depth.next_due_at is 'When the next scheduled one is due, or the next wait ends by itself.';
