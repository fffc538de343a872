-- Steps inside a stage that need not run again when the stage does.

create table piton.steps (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    name text not null check (char_length(name) between 1 and 200),
    attempt integer not null check (attempt > 0),
    worker_id bigint not null,
    finished_at timestamptz not null default now(),
    digest bytea not null check (octet_length(digest) = 32),
    output json not null,
    primary key (run_id, stage, item, name)
);
comment on table piton.steps is 'Steps that a stage has remembered. Each is recorded once, under the fence of the attempt that ran it, and is read back by the attempts after it.';
comment on column piton.steps.run_id is 'Its run.';
comment on column piton.steps.stage is 'Position of the stage in the definition.';
comment on column piton.steps.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.steps.name is 'Name that the handler gave it; names a step within its job.';
comment on column piton.steps.attempt is 'The attempt that ran it.';
comment on column piton.steps.worker_id is 'The boot that ran it.';
comment on column piton.steps.finished_at is 'When it was recorded.';
comment on column piton.steps.digest is 'SHA-256 of the output''s text, verified whenever it is read back.';
comment on column piton.steps.output is 'What the step returned.';
