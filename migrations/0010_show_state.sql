-- What the metrics of the state are made of.

alter table piton.workers add column slots integer check (slots > 0);
comment on column piton.workers.slots is 'Attempts that it runs side by side. Empty for boots of older versions.';

create table piton.leases (
    name text primary key,
    worker_id bigint not null,
    until timestamptz not null
);
comment on table piton.leases is 'What one worker at a time does for all of them, and until when it may.';
comment on column piton.leases.name is 'What is done: snapshot (reading the state for the metrics).';
comment on column piton.leases.worker_id is 'The boot that does it.';
comment on column piton.leases.until is 'After that, whoever asks first does it.';

create table piton.stage_times (
    workflow_id bigint not null references piton.workflows,
    stage text not null,
    attempts double precision not null check (attempts >= 0),
    seconds double precision not null check (seconds >= 0),
    updated_at timestamptz not null default now(),
    primary key (workflow_id, stage)
);
comment on table piton.stage_times is 'How long attempts of a stage take, the latest ones counting most: what work left is estimated by.';
comment on column piton.stage_times.workflow_id is 'The workflow.';
comment on column piton.stage_times.stage is 'Name of the stage.';
comment on column piton.stage_times.attempts is 'Attempts that were measured; older ones count less.';
comment on column piton.stage_times.seconds is 'How long they ran, together.';
comment on column piton.stage_times.updated_at is 'When a worker last added what it had measured.';

-- What the metrics count within a time is found by it.
create index dead_letters_resolved on piton.dead_letters (resolved_at) where resolution <> 'pending';
create index workers_lost on piton.workers (stopped_at) where stop_reason = 'lost';

-- functions: fca53995aff71d4d9e234fb4a5f9302487251cb3d749e8706b0ad90005fd0868
