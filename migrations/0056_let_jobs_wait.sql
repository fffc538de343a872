-- A job may wait for the world: its row is `waiting`, and a row of piton.waits says for what. Nothing else is held.
--
-- No job waits yet when this runs, so that the index of what is due is on the new table, and the one of live jobs stays as it is.

create table piton.waits (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    job_id bigint,
    attempt integer check (attempt > 0),
    kind text not null check (kind in ('sleep', 'signal', 'callback', 'poll', 'run')),
    name text,
    since timestamptz,
    deadline timestamptz,
    outcome text check (outcome in ('answered', 'timed_out', 'woken', 'cancelled')),
    ended_at timestamptz,
    answered_by text,
    role text,
    digest bytea check (octet_length(digest) = 32),
    payload json,
    primary key (run_id, stage, item),
    check ((outcome is null) = (ended_at is null)),
    check ((payload is null) = (digest is null)),
    check ((since is null) = (job_id is null) and (since is null) = (attempt is null)),
    check (outcome is not null or since is not null),
    check (outcome is distinct from 'answered' or payload is not null),
    check (deadline >= '1970-01-01 00:00:00+00' and deadline < '10000-01-01 00:00:00+00')
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
create index waits_due on piton.waits (deadline) where outcome is null;
-- Not `outcome is null`, which means the same: what looks for the next deadline must not take this one for it.
create index waits_open on piton.waits (kind, since) where ended_at is null;
comment on table piton.waits is 'What jobs wait for, one row for each job: written before anybody can answer, answered once, and found again by every later attempt. The first end counts. A wait belongs to its job and not to an attempt.';
comment on column piton.waits.run_id is 'Its run.';
comment on column piton.waits.stage is 'Position of the stage in the definition.';
comment on column piton.waits.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.waits.job_id is 'Its job, which is waiting while the wait is open; empty for an answer that came before the job began to wait.';
comment on column piton.waits.attempt is 'The attempt that began to wait. It goes on, under the same number, when the wait is over.';
comment on column piton.waits.kind is 'sleep: until a time; signal: for a named answer; callback, poll, run: for the answer of a service, its state, or another run.';
comment on column piton.waits.name is 'Name of the signal.';
comment on column piton.waits.since is 'When it began; empty for an answer that came before.';
comment on column piton.waits.deadline is 'When it ends by itself: the end of a sleep, or the timeout; empty for none.';
comment on column piton.waits.outcome is 'How it ended: answered, timed_out (the deadline passed), woken (somebody ended a sleep), or cancelled (its job was). Empty while it is open.';
comment on column piton.waits.ended_at is 'When it ended.';
comment on column piton.waits.answered_by is 'Who answered or woke it, by the name they gave.';
comment on column piton.waits.role is 'The database user who did that, as the server knows it.';
comment on column piton.waits.digest is 'SHA-256 of the payload''s text, verified when it becomes the output.';
comment on column piton.waits.payload is 'The answer.';

comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: running on, or ready | retry: scheduled | its process died: suspect | it waits for something outside: waiting | end: no row); suspect -> running, alone; ready -> limited -> running where its stage has a limit; waiting -> ready when its wait is over.';

alter table piton.attempts
    drop constraint attempts_class_check,
    add constraint attempts_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout')) not valid;
alter table piton.dead_letters
    drop constraint dead_letters_class_check,
    add constraint dead_letters_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout')) not valid;

-- A signal may be for others than whoever started the run. The default is for those that are started from now on.
alter table piton.runs add column started_by text;
alter table piton.runs alter column started_by set default session_user;
comment on column piton.runs.started_by is 'The database user who started it, as the server knows it; the worker''s, of an item of a batch. Empty for runs of an older Piton.';

