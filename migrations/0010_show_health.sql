-- What the metrics of the state and the health of workers are kept in.

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

create table piton.health_history (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    worker text not null,
    component text not null check (component in ('database', 'storage', 'memory', 'disk', 'queue', 'external')),
    was text check (was in ('healthy', 'degraded', 'unhealthy')),
    status text not null check (status in ('healthy', 'degraded', 'unhealthy')),
    reason text not null
);
create index health_history_at on piton.health_history (at);
comment on table piton.health_history is 'Every change of a component''s health, as the worker saw it that checked. Kept for 30 days.';
comment on column piton.health_history.id is 'Its number.';
comment on column piton.health_history.at is 'When it was seen. A change that was seen while the database was away is written afterwards, with its own time.';
comment on column piton.health_history.worker is 'Name of the worker that saw it.';
comment on column piton.health_history.component is 'What changed: database, storage, memory, disk, queue or external.';
comment on column piton.health_history.was is 'Its status before; empty for the first check of a boot.';
comment on column piton.health_history.status is 'Its status from then on.';
comment on column piton.health_history.reason is 'What was measured, in words.';

-- What the metrics count within a time is found by it.
create index dead_letters_resolved on piton.dead_letters (resolved_at) where resolution <> 'pending';
create index workers_lost on piton.workers (stopped_at) where stop_reason = 'lost';

-- functions: c2ca9d2de50583fc93f0adc22e598315cbe2321fbe883b35aa7485b592ace1d2
