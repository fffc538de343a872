-- Every attempt, with names: what runs, and what has ended. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.attempts_overview as
select r.uuid as run, w.name as workflow, coalesce(v.definition -> 'stages' -> e.stage::int4 ->> 'name', '#' || e.stage) as stage,
       nullif(e.item, -1) as item, e.attempt, e.outcome, e.class,
       case when e.outcome = 'released' then coalesce(e.detail ->> 'reason', 'handed back by its worker')
            when e.outcome = 'cancelled' then coalesce(
                (select 'the run was cancelled by ' || c.cancelled_by || ': ' || c.reason from piton.cancellations c where c.run_id = e.run_id),
                (select 'the run was failed by ' || d.resolved_by || ', who dismissed its dead letter of ' || v.stage_names[d.stage + 1] || coalesce(': ' || d.note, '')
                 from piton.dead_letters d
                 where d.run_id = e.run_id and d.resolution = 'dismissed' and r.state = 'failed'
                 order by d.resolved_at desc limit 1),
                'its stage was done again')
            else e.message end as message,
       k.name as worker, begun.at as started_at, e.ended_at,
       piton.finite(coalesce(e.ended_at, now())) - piton.finite(begun.at) as duration, e.retry_at, e.output_bytes, e.stage as stage_number, e.skipped
from (
    select run_id, stage, item, attempt, 'done' as outcome, null as class, null as message, null::json as detail, worker_id, started_at,
           finished_at as ended_at, null::timestamptz as retry_at, bytes as output_bytes, skipped
    from piton.checkpoints
    union all
    select run_id, stage, item, attempt, outcome, class, message, case when outcome = 'released' then detail end, worker_id, started_at, ended_at, retry_at, null, null
    from piton.attempts
    union all
    select run_id, stage, item, attempt, 'running', null, nullif(progress_note, ''), null, worker_id, since, null, null, null, null
    from piton.jobs where state = 'running'
) as e
join piton.runs r on r.id = e.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers k on k.id = e.worker_id
-- What an attempt waited is a part of it.
left join piton.waits t on t.run_id = e.run_id and t.stage = e.stage and t.item = e.item and t.attempt = e.attempt
cross join lateral (select least(e.started_at, t.since) as at) as begun;
comment on view piton.attempts_overview is 'Every attempt, including those that are running; one that waits for something outside is in piton.waits_overview until it has ended. Attempts from before a redo are in piton.past_attempts and piton.past_checkpoints, those of rounds that are over in piton.round_attempts and piton.round_checkpoints.';
comment on column piton.attempts_overview.run is 'Id of its run.';
comment on column piton.attempts_overview.workflow is 'Name of the workflow.';
comment on column piton.attempts_overview.stage is 'Name of the stage.';
comment on column piton.attempts_overview.item is 'Item of a fanned-out stage; empty for a whole stage and for its split into items.';
comment on column piton.attempts_overview.attempt is 'Its number, from 1.';
comment on column piton.attempts_overview.outcome is 'running, done, failed, lost (its worker was gone), released (handed back) or cancelled.';
comment on column piton.attempts_overview.class is 'Failure class; empty where no failure is counted.';
comment on column piton.attempts_overview.message is 'What went wrong, in words; why it was handed back or cancelled; what a running one last said of its progress.';
comment on column piton.attempts_overview.worker is 'Name of the worker that ran it.';
comment on column piton.attempts_overview.started_at is 'When it was claimed; where it waited for something, when that began.';
comment on column piton.attempts_overview.ended_at is 'When its end was recorded; empty while it runs.';
comment on column piton.attempts_overview.duration is 'How long it ran and waited, or has until now.';
comment on column piton.attempts_overview.retry_at is 'When its job is due again because of it; empty when it was given up.';
comment on column piton.attempts_overview.output_bytes is 'Size of its output.';
comment on column piton.attempts_overview.stage_number is 'Position of the stage in the definition.';
comment on column piton.attempts_overview.skipped is 'Why it did nothing: its job was skipped; empty for any other. Its outcome is done.';
