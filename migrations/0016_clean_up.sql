-- What is kept for how long, what is held, and what cleanup has deleted.

create table piton.retentions (
    workflow_id bigint not null default 0,
    what text not null check (what in ('runs', 'artifacts', 'batches')),
    type text not null check (type ~ '^[a-z][a-z0-9_]{0,62}$'),
    keep interval check (keep >= interval '0'),
    set_by text not null,
    set_at timestamptz not null default now(),
    primary key (workflow_id, what, type)
);
comment on table piton.retentions is 'What is kept for longer or shorter than by default: piton.retention_rules has all of it.';
comment on column piton.retentions.workflow_id is 'The workflow; 0 for every one.';
comment on column piton.retentions.what is 'runs (with their checkpoints, attempts and dead letters), artifacts, or batches (with their items).';
comment on column piton.retentions.type is 'The state of a run that has ended: done, failed or cancelled; the type of an artifact; ended for batches.';
comment on column piton.retentions.keep is 'For how long; empty for ever.';
comment on column piton.retentions.set_by is 'Who said so.';
comment on column piton.retentions.set_at is 'When.';

create table piton.run_holds (
    run_id bigint primary key,
    reason text not null,
    held_by text not null,
    held_at timestamptz not null default now()
);
comment on table piton.run_holds is 'Runs that cleanup leaves alone, with all that they made.';
comment on column piton.run_holds.run_id is 'The run.';
comment on column piton.run_holds.reason is 'Why.';
comment on column piton.run_holds.held_by is 'Who holds it.';
comment on column piton.run_holds.held_at is 'Since when.';

create table piton.cleanups (
    id uuid primary key,
    state text not null default 'planned' check (state in ('planned', 'running', 'done')),
    planned_by text not null,
    planned_at timestamptz not null default now(),
    began_at timestamptz,
    ended_at timestamptz
);
create index cleanups_of_a_time on piton.cleanups (planned_at);
comment on table piton.cleanups is 'Cleanups: what was to be deleted, and what was. Kept for 90 days.';
comment on column piton.cleanups.id is 'The plan, as people name it: a UUIDv7.';
comment on column piton.cleanups.state is 'planned -> running -> done.';
comment on column piton.cleanups.planned_by is 'Who asked for it; piton for one that was due.';
comment on column piton.cleanups.planned_at is 'When its items were chosen.';
comment on column piton.cleanups.began_at is 'When it began to delete.';
comment on column piton.cleanups.ended_at is 'When it was through.';

create table piton.cleanup_items (
    cleanup_id uuid not null references piton.cleanups on delete cascade,
    number bigint not null,
    what text not null check (what in ('runs', 'artifacts', 'batches')),
    type text not null,
    workflow text not null,
    run uuid,
    run_id bigint,
    artifact uuid,
    batch uuid,
    address text,
    bytes bigint not null,
    deleted_at timestamptz,
    error text,
    primary key (cleanup_id, number),
    check ((batch is null) = (what <> 'batches') and (run is null) = (what = 'batches') and (run_id is null) = (run is null))
);
create index cleanup_items_open on piton.cleanup_items (cleanup_id, what, number) where deleted_at is null and error is null;
comment on table piton.cleanup_items is 'What each cleanup deletes: a row for each run, artifact and batch, written before it is deleted.';
comment on column piton.cleanup_items.cleanup_id is 'The cleanup.';
comment on column piton.cleanup_items.number is 'Counts up.';
comment on column piton.cleanup_items.what is 'runs, artifacts or batches.';
comment on column piton.cleanup_items.type is 'State of the run, or type of the artifact; ended for batches.';
comment on column piton.cleanup_items.workflow is 'Name of the workflow.';
comment on column piton.cleanup_items.run is 'Id of the run; empty for a batch.';
comment on column piton.cleanup_items.run_id is 'Number of the run; empty for a batch.';
comment on column piton.cleanup_items.artifact is 'Id of the artifact; empty for what is none.';
comment on column piton.cleanup_items.batch is 'Id of the batch; empty for what is none.';
comment on column piton.cleanup_items.address is 'Where it was in the artifact store; empty for what is no artifact.';
comment on column piton.cleanup_items.bytes is 'Size of the artifact, or of the outputs of the run; 0 for a batch.';
comment on column piton.cleanup_items.deleted_at is 'When it was deleted.';
comment on column piton.cleanup_items.error is 'Why it was not.';

-- All of a run is found by the run.
create index dead_letters_of_a_run on piton.dead_letters (run_id);
create index run_keys_of_a_run on piton.run_keys (run);

-- functions: 7c5f28a471948792f8824e7bf0efb6c3a9276fc1ae95776f85d8cdb43ffbef31
