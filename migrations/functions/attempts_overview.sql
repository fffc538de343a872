-- Every attempt that has ended, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.attempts_overview as
select r.uuid as run, w.name as workflow, coalesce(v.definition -> 'stages' -> e.stage::int4 ->> 'name', '#' || e.stage) as stage,
       nullif(e.item, -1) as item, e.attempt, e.outcome, e.class, e.message, k.name as worker, e.started_at, e.ended_at,
       piton.finite(e.ended_at) - piton.finite(e.started_at) as duration, e.retry_at, e.output_bytes
from (
    select run_id, stage, item, attempt, 'done' as outcome, null as class, null as message, worker_id, started_at,
           finished_at as ended_at, null::timestamptz as retry_at, bytes as output_bytes
    from piton.checkpoints
    union all
    select run_id, stage, item, attempt, outcome, class, message, worker_id, started_at, ended_at, retry_at, null
    from piton.attempts
) as e
join piton.runs r on r.id = e.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers k on k.id = e.worker_id;
comment on view piton.attempts_overview is 'The story of runs: every attempt that has ended. Those before a redo are in piton.past_attempts and piton.past_checkpoints.';
comment on column piton.attempts_overview.run is 'Id of its run.';
comment on column piton.attempts_overview.workflow is 'Name of the workflow.';
comment on column piton.attempts_overview.stage is 'Name of the stage.';
comment on column piton.attempts_overview.item is 'Item of a fanned-out stage; empty for a whole stage and for its split into items.';
comment on column piton.attempts_overview.attempt is 'Its number, from 1.';
comment on column piton.attempts_overview.outcome is 'done, failed, lost (its worker was gone), released (handed back) or cancelled.';
comment on column piton.attempts_overview.class is 'Failure class; empty where no failure is counted.';
comment on column piton.attempts_overview.message is 'What went wrong, in words.';
comment on column piton.attempts_overview.worker is 'Name of the worker that ran it.';
comment on column piton.attempts_overview.started_at is 'When it was claimed.';
comment on column piton.attempts_overview.ended_at is 'When its end was recorded.';
comment on column piton.attempts_overview.duration is 'How long it ran.';
comment on column piton.attempts_overview.retry_at is 'When its job is due again because of it; empty when it was given up.';
comment on column piton.attempts_overview.output_bytes is 'Size of its output.';
