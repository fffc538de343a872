-- A stage may start a run of another workflow and wait for its end: a child of its own run.

-- Empty for every other run, whose row is as large as before. What of a run's end concerns a parent is looked for only where there is one.
alter table piton.runs
    add column parent_id bigint,
    add column parent_stage smallint,
    add column parent_item integer,
    add column detached boolean;
comment on column piton.runs.parent_id is 'The run that started it, where a stage did. That one may be deleted before it.';
comment on column piton.runs.parent_stage is 'Position of that stage in the definition of the parent.';
comment on column piton.runs.parent_item is 'Item of that stage; -1 for a whole stage.';
comment on column piton.runs.detached is 'The parent does not wait for its end, and does not end it; empty for a run without a parent.';

alter table piton.waits
    add column child_id bigint,
    drop constraint waits_outcome_check,
    add constraint waits_outcome_check check (outcome in ('answered', 'failed', 'due', 'timed_out', 'woken', 'cancelled')) not valid,
    add constraint waits_failed_check check (outcome is distinct from 'failed' or payload is not null) not valid;
comment on column piton.waits.child_id is 'The run that is waited for, begun in the transaction that made the wait.';
comment on column piton.waits.name is 'Name of the signal; of a run, its workflow.';
comment on column piton.waits.outcome is 'How it ended: answered, timed_out (the deadline passed), failed (the run that was waited for failed or was cancelled), woken (somebody ended a sleep), or cancelled (its job was). Empty while it is open.';
comment on column piton.waits.payload is 'The answer; the output of a run, or why it has none.';

alter table piton.attempts
    drop constraint attempts_class_check,
    add constraint attempts_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'child_failed')) not valid;
alter table piton.dead_letters
    drop constraint dead_letters_class_check,
    add constraint dead_letters_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'child_failed')) not valid;
