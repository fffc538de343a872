-- Runs, for people. Newest first by `order by run desc`: ids grow with time, and have an index.
create or replace view piton.runs_overview as
select r.uuid as run, w.name as workflow, case when later.starts_at is null then r.state else 'scheduled' end as state, r.priority, r.started_at, r.finished_at,
       piton.finite(coalesce(r.finished_at, now())) - piton.finite(r.started_at) as duration,
       (select count(*) from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending') as dead_letters,
       coalesce(v.stage_names[r.failed_stage + 1], letter.stage) as failed_stage,
       coalesce(r.failure_class, letter.class) as failure_class, coalesce(r.failure_message, letter.message) as failure_message,
       encode(v.digest, 'hex') as workflow_version, r.input, later.starts_at,
       (select count(*) from piton.dead_letters d where d.run_id = r.id and d.resolution = 'tolerated') as tolerated,
       above.uuid as parent
from piton.runs r
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
-- No attempt of it has begun, and none may before then.
left join lateral (
    select min(j.due_at) as starts_at from piton.jobs j
    where j.run_id = r.id
    having bool_and(j.state = 'scheduled' and j.attempt = 0) and min(j.due_at) > now()
) as later on r.state = 'running'
left join piton.runs above on above.id = r.parent_id
left join lateral (
    select v.stage_names[d.stage + 1] as stage, d.class, d.message
    from piton.dead_letters d
    where d.run_id = r.id and d.resolution = 'pending'
    order by d.dead_at, d.stage, d.item
    limit 1
) as letter on r.state = 'blocked';
comment on view piton.runs_overview is 'Runs, with names. The newest: order by run desc limit 20.';
comment on column piton.runs_overview.run is 'Its id. Ids grow with time.';
comment on column piton.runs_overview.workflow is 'Name of the workflow.';
comment on column piton.runs_overview.state is 'scheduled (its start is put off, and nothing of it has begun), running, blocked (a dead letter waits for a decision), done, failed or cancelled.';
comment on column piton.runs_overview.priority is 'Higher is claimed first.';
comment on column piton.runs_overview.started_at is 'When it was started.';
comment on column piton.runs_overview.finished_at is 'When it was done, or a dead letter of it was dismissed.';
comment on column piton.runs_overview.duration is 'From its start to its end, or until now.';
comment on column piton.runs_overview.dead_letters is 'Its dead letters that wait for a decision.';
comment on column piton.runs_overview.failed_stage is 'Name of the stage whose dead letter was dismissed; of a blocked run, the stage of its oldest dead letter.';
comment on column piton.runs_overview.failure_class is 'Class of that failure.';
comment on column piton.runs_overview.failure_message is 'Its message.';
comment on column piton.runs_overview.workflow_version is 'Digest of the version that it follows.';
comment on column piton.runs_overview.input is 'Its input.';
comment on column piton.runs_overview.starts_at is 'When a scheduled one may begin; empty for any other.';
comment on column piton.runs_overview.tolerated is 'Its dead letters of optional stages, which it went on without: with some, it is degraded.';
comment on column piton.runs_overview.parent is 'The run whose stage started it; empty for most.';
