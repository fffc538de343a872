-- A stage that asks a service may wait for its answer: the service calls back with a token, or is asked again until it is done.
--
-- What a token opens is derived from a secret of this database that nobody can read: neither a dump of what readers see nor a
-- role of Piton gives a token away, and every attempt at a job carries the same one, also after a failover that loses commits.
create table piton.callback_key (
    only_one boolean primary key default true check (only_one),
    secret bytea not null check (octet_length(secret) = 32)
);
insert into piton.callback_key (secret)
select sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));
comment on table piton.callback_key is 'The secret that the tokens of callbacks are derived from. No role of Piton can read it; its functions do.';
comment on column piton.callback_key.only_one is 'There is one row.';
comment on column piton.callback_key.secret is '256 random bits.';

create table piton.callbacks (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    round integer not null check (round > 0),
    attempt integer not null check (attempt > 0),
    digest bytea not null check (octet_length(digest) = 32),
    opened_at timestamptz not null default now(),
    primary key (run_id, stage, item)
);
comment on table piton.callbacks is 'Who may answer: the token of each job that asks a service, on record before the service is asked. A later attempt carries the same token; one that begins a new wait has a new one, and the old one opens nothing any more.';
comment on column piton.callbacks.run_id is 'Its run.';
comment on column piton.callbacks.stage is 'Position of the stage in the definition.';
comment on column piton.callbacks.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.callbacks.round is 'The how manieth wait of the job it is for.';
comment on column piton.callbacks.attempt is 'The attempt that was the first to carry it.';
comment on column piton.callbacks.digest is 'SHA-256 of the secret in the token.';
comment on column piton.callbacks.opened_at is 'When it was made.';

alter table piton.waits
    drop constraint waits_outcome_check,
    add constraint waits_outcome_check check (outcome in ('answered', 'failed', 'due', 'timed_out', 'woken', 'cancelled')) not valid,
    drop constraint waits_check2,
    add constraint waits_begun_check check ((since is null) = (job_id is null) and (since is null or attempt is not null)) not valid,
    drop constraint waits_check4,
    add constraint waits_answered_check check (outcome not in ('answered', 'failed') or payload is not null) not valid,
    add column handle json,
    add column latest timestamptz,
    add column silence_ms bigint check (silence_ms > 0),
    add column heard_at timestamptz,
    add column progress json,
    add column polls integer check (polls >= 0),
    add column misses integer check (misses >= 0),
    add column trouble text;
comment on column piton.waits.outcome is 'How it ended: answered, failed (the service said so), due (the service is to be asked again; then it is open again), timed_out (the deadline passed), woken (somebody ended a sleep), or cancelled (its job was). Empty while it is open.';
comment on column piton.waits.deadline is 'When it ends by itself: the end of a sleep, the timeout, the next poll, or the end of the patience with a service that says nothing; empty for none.';
comment on column piton.waits.payload is 'The answer; of a failure its class, message and the seconds until the service wants to be asked again.';
comment on column piton.waits.handle is 'What the service answered when it was asked: its name for the work.';
comment on column piton.waits.latest is 'When the wait for a service times out, whatever is heard of it.';
comment on column piton.waits.silence_ms is 'How long a service may say nothing, in milliseconds; empty where it need not say anything.';
comment on column piton.waits.heard_at is 'When the service last said that it is still at work (piton.heartbeat).';
comment on column piton.waits.progress is 'What it said then.';
comment on column piton.waits.polls is 'How often the service was asked again.';
comment on column piton.waits.misses is 'How many of these polls in a row had no answer that could be read.';
comment on column piton.waits.trouble is 'What was wrong with the last one of them.';
