-- A job that is not tried again by itself is kept as a dead letter, and its run is blocked until someone decides.

create table piton.dead_letters (
    id uuid primary key,
    run_id bigint not null,
    workflow_id bigint not null,
    version_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    attempt integer not null check (attempt > 0),
    rank smallint not null,
    class text not null check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown',
                                         'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint')),
    message text not null,
    fingerprint text not null check (fingerprint ~ '^[0-9a-f]{16}$'),
    worker_id bigint not null,
    dead_at timestamptz not null default now(),
    resolution text not null default 'pending' check (resolution in ('pending', 'retried', 'dismissed')),
    resolved_at timestamptz,
    resolved_by text,
    note text,
    check ((resolution = 'pending') = (resolved_at is null) and (resolved_at is null) = (resolved_by is null)),
    unique (run_id, stage, item, attempt)
);
create index dead_letters_pending on piton.dead_letters (run_id) where resolution = 'pending';
create index dead_letters_of_a_workflow on piton.dead_letters (workflow_id, dead_at desc);
comment on table piton.dead_letters is 'Jobs that are not tried again by themselves, with what became of them. Their attempts are in piton.attempts, their inputs in the run and its checkpoints.';
comment on column piton.dead_letters.id is 'What people see: a UUIDv7.';
comment on column piton.dead_letters.run_id is 'Its run.';
comment on column piton.dead_letters.workflow_id is 'The queue that the job stood in.';
comment on column piton.dead_letters.version_id is 'The definition that the run follows.';
comment on column piton.dead_letters.stage is 'Position of the stage in the definition.';
comment on column piton.dead_letters.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.dead_letters.attempt is 'Its last attempt. A retry goes on behind it, with a new budget.';
comment on column piton.dead_letters.rank is 'The run''s priority turned round, for its retry.';
comment on column piton.dead_letters.class is 'Failure class of the last attempt.';
comment on column piton.dead_letters.message is 'What went wrong in the last attempt.';
comment on column piton.dead_letters.fingerprint is 'Groups failures of one cause: a digest over the class and the message without numbers, ids and paths.';
comment on column piton.dead_letters.worker_id is 'The boot that ran the last attempt.';
comment on column piton.dead_letters.dead_at is 'When the job was given up.';
comment on column piton.dead_letters.resolution is 'pending -> retried, or pending -> dismissed.';
comment on column piton.dead_letters.resolved_at is 'When someone decided.';
comment on column piton.dead_letters.resolved_by is 'Who decided: a name from the command line, or the database role.';
comment on column piton.dead_letters.note is 'Why, in words.';

comment on column piton.runs.state is 'running -> done; running -> blocked (a dead letter is pending) -> running (retried) or failed (dismissed).';
comment on column piton.runs.finished_at is 'When the last stage committed, or a dead letter was dismissed.';
comment on column piton.runs.failed_stage is 'The stage (position in the definition) whose dead letter was dismissed.';
comment on column piton.runs.failure_class is 'Class of the failure that ended the run.';
create or replace function piton.is_sound_run(
    state text, priority smallint, finished_at timestamptz, failed_stage smallint, failure_class text, failure_message text
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state in ('running', 'blocked', 'done', 'failed')
       and priority between -1000 and 1000
       and (state in ('running', 'blocked')) = (finished_at is null)
       and (state = 'failed') = (failure_class is not null)
       and (failure_class is null) = (failure_message is null)
       and (failure_class is null) = (failed_stage is null);
end
$$;

-- functions: 00304048ee5321c46479b3a874a406464db03f348fc454078e1f85083cc38276
