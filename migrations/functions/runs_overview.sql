-- Runs, for people. Newest first by `order by run desc`: ids grow with time, and have an index.
create or replace view piton.runs_overview as
select r.uuid as run, w.name as workflow, r.state, r.priority, r.started_at, r.finished_at,
       piton.finite(coalesce(r.finished_at, now())) - piton.finite(r.started_at) as duration,
       (select count(*) from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending') as dead_letters,
       v.definition -> 'stages' -> r.failed_stage::int4 ->> 'name' as failed_stage, r.failure_class, r.failure_message,
       encode(v.digest, 'hex') as workflow_version, r.input
from piton.runs r
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id;
comment on view piton.runs_overview is 'Runs, with names. The newest: order by run desc limit 20.';
comment on column piton.runs_overview.run is 'Its id. Ids grow with time.';
comment on column piton.runs_overview.workflow is 'Name of the workflow.';
comment on column piton.runs_overview.state is 'running, blocked (a dead letter waits for a decision), done or failed.';
comment on column piton.runs_overview.priority is 'Higher is claimed first.';
comment on column piton.runs_overview.started_at is 'When it was started.';
comment on column piton.runs_overview.finished_at is 'When it was done, or a dead letter of it was dismissed.';
comment on column piton.runs_overview.duration is 'From its start to its end, or until now.';
comment on column piton.runs_overview.dead_letters is 'Its dead letters that wait for a decision.';
comment on column piton.runs_overview.failed_stage is 'Name of the stage whose dead letter was dismissed.';
comment on column piton.runs_overview.failure_class is 'Class of that failure.';
comment on column piton.runs_overview.failure_message is 'Its message.';
comment on column piton.runs_overview.workflow_version is 'Digest of the version that it follows.';
comment on column piton.runs_overview.input is 'Its input.';
