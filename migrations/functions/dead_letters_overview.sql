-- Names instead of keys, and all that is needed to judge one without logs.
create or replace view piton.dead_letters_overview as
select d.id, r.uuid as run, w.name as workflow, coalesce(v.stage_names[d.stage + 1], '#' || d.stage) as stage,
       nullif(d.item, -1) as item, d.class, d.message, d.fingerprint, d.dead_at, d.resolution, d.resolved_at, d.resolved_by,
       d.note, d.attempt as attempts, k.name as worker, r.started_at as run_started_at, r.state as run_state,
       encode(v.digest, 'hex') as workflow_version, r.input as run_input,
       d.done_again, d.input_before
from piton.dead_letters d
join piton.runs r on r.id = d.run_id
join piton.workflows w on w.id = d.workflow_id
join piton.workflow_versions v on v.id = d.version_id
left join piton.workers k on k.id = d.worker_id;
comment on view piton.dead_letters_overview is 'Jobs that are not tried again by themselves, with names.';
comment on column piton.dead_letters_overview.id is 'For piton.retry_dead_letter and piton.dismiss_dead_letter.';
comment on column piton.dead_letters_overview.run is 'Id of its run.';
comment on column piton.dead_letters_overview.workflow is 'Name of the workflow.';
comment on column piton.dead_letters_overview.stage is 'Name of the stage.';
comment on column piton.dead_letters_overview.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.dead_letters_overview.class is 'Failure class of the last attempt.';
comment on column piton.dead_letters_overview.message is 'What went wrong in the last attempt.';
comment on column piton.dead_letters_overview.fingerprint is 'The same for failures of one cause.';
comment on column piton.dead_letters_overview.dead_at is 'When the job was given up.';
comment on column piton.dead_letters_overview.resolution is 'pending, retried or dismissed.';
comment on column piton.dead_letters_overview.resolved_at is 'When someone decided.';
comment on column piton.dead_letters_overview.resolved_by is 'Who decided.';
comment on column piton.dead_letters_overview.note is 'Why, in words.';
comment on column piton.dead_letters_overview.attempts is 'Number of the last attempt.';
comment on column piton.dead_letters_overview.worker is 'Name of the worker that ran the last attempt.';
comment on column piton.dead_letters_overview.run_started_at is 'When the run was started.';
comment on column piton.dead_letters_overview.run_state is 'State of the run.';
comment on column piton.dead_letters_overview.workflow_version is 'Digest of the version that the run follows.';
comment on column piton.dead_letters_overview.run_input is 'The run''s input.';
comment on column piton.dead_letters_overview.done_again is 'Its stage was done again from its start, by its retry or that of another dead letter.';
comment on column piton.dead_letters_overview.input_before is 'The run''s input until this dead letter was retried with a corrected one.';
