-- A batch is a named group of runs started together: its items come in, it is sealed, and its runs begin, all at once or as
-- its cap lets them.

create table piton.batches (
    id bigint generated always as identity primary key,
    uuid uuid not null unique,
    name text not null unique check (name ~ '^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,99}$'),
    workflow_id bigint not null references piton.workflows,
    version_id bigint not null references piton.workflow_versions,
    state text not null default 'open' check (state in ('open', 'sealed', 'started', 'cancelled')),
    cap integer check (cap > 0),
    priority smallint not null check (priority between -1000 and 1000),
    items integer not null default 0,
    started integer not null default 0 check (started between 0 and items),
    feed_at timestamptz not null default now(),
    created_by text not null,
    created_at timestamptz not null default now(),
    sealed_at timestamptz,
    cancelled_by text,
    cancelled_at timestamptz,
    cancel_reason text,
    check (state <> 'started' or started = items),
    check (state <> 'open' or started = 0),
    check ((state = 'open') = (sealed_at is null)),
    check ((state = 'cancelled') = (cancelled_at is not null) and (cancelled_at is null) = (cancelled_by is null)
           and (cancelled_at is null) = (cancel_reason is null))
) with (fillfactor = 50);
-- Few at a time: every look of a worker reads it from end to end. What a feed changes is not in it.
create index batches_sealed on piton.batches (id) where state = 'sealed';
comment on table piton.batches is 'Named groups of runs started together. How their runs are doing: piton.batches_overview.';
comment on column piton.batches.id is 'What the engine joins on.';
comment on column piton.batches.uuid is 'What people see: a UUIDv7.';
comment on column piton.batches.name is 'What whoever started it named it; no other one has that name.';
comment on column piton.batches.workflow_id is 'The workflow of its runs.';
comment on column piton.batches.version_id is 'The version that its runs follow, all of them: the one that was registered last when it was opened.';
comment on column piton.batches.state is 'open (items come in) -> sealed (all are in, and some have not begun) -> started (all have begun); sealed or started -> cancelled.';
comment on column piton.batches.cap is 'So many of its runs are not finished at once; empty for as many as there are.';
comment on column piton.batches.priority is 'Priority of its runs.';
comment on column piton.batches.items is 'Items that are in.';
comment on column piton.batches.started is 'Items that have begun: the first ones.';
comment on column piton.batches.feed_at is 'When the next look of a worker has to see whether more of it can begin. Runs that end make it so before.';
comment on column piton.batches.created_by is 'Who opened it.';
comment on column piton.batches.created_at is 'When.';
comment on column piton.batches.sealed_at is 'When all its items were in.';
comment on column piton.batches.cancelled_by is 'Who cancelled it.';
comment on column piton.batches.cancelled_at is 'When.';
comment on column piton.batches.cancel_reason is 'Why, in words.';

-- The input moves to the run, so that nothing is kept twice; the update that takes it away finds room on its page.
create table piton.batch_items (
    batch_id bigint not null,
    number integer not null check (number > 0),
    input json,
    run uuid,
    primary key (batch_id, number),
    check ((run is null) = (input is not null))
) with (fillfactor = 60);
comment on table piton.batch_items is 'Items of batches: a run for each, or an input that waits to become one.';
comment on column piton.batch_items.batch_id is 'The batch.';
comment on column piton.batch_items.number is 'Counts up from 1: the line of the file it came from.';
comment on column piton.batch_items.input is 'Input of the run that it will be; empty once that has begun, and has it.';
comment on column piton.batch_items.run is 'Id of its run, also when that has been cleaned up; empty until it begins.';

create table piton.batch_places (
    batch_id bigint not null,
    run_id bigint not null,
    primary key (batch_id, run_id)
);
comment on table piton.batch_places is 'Places of batches with a cap that are taken by runs; those whose run has ended go with the next feed.';
comment on column piton.batch_places.batch_id is 'The batch.';
comment on column piton.batch_places.run_id is 'The run.';

-- functions: 4caf48ab95c4e86f72521b3e41eeeb38f36db1c99b2dacd0a53aa64c1e4e1bf2
