-- How the components of workers were, for whoever asks the next morning.

create table piton.health_history (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    worker text not null,
    component text not null check (component in ('database', 'storage', 'memory', 'disk', 'queue', 'external')),
    was text check (was in ('healthy', 'degraded', 'unhealthy')),
    status text not null check (status in ('healthy', 'degraded', 'unhealthy')),
    reason text
);
comment on table piton.health_history is 'A row whenever a worker found a component in another state than before. Kept for 30 days.';
comment on column piton.health_history.id is 'Counts up.';
comment on column piton.health_history.at is 'When the check ended, by the clock of the worker. Rows about a database that was away are written when it is back.';
comment on column piton.health_history.worker is 'Name of the worker.';
comment on column piton.health_history.component is 'What was checked.';
comment on column piton.health_history.was is 'How it was before. Empty for the first check of a boot.';
comment on column piton.health_history.status is 'How it is.';
comment on column piton.health_history.reason is 'Why it is not healthy, in words.';
create index health_history_at on piton.health_history (at);

-- functions: 4886be2adfccd9ad331794fc95d0e8915ffc00af7c6930d898085dae17f1635c
