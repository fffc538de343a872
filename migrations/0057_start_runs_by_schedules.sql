-- Workflows start by themselves: what their current versions' files say, and what people set in SQL.

create table piton.schedules (
    workflow_id bigint not null,
    name text not null constraint schedules_name_check check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    definition json not null constraint schedules_definition_check check (json_typeof(definition) = 'object'),
    from_file boolean not null,
    revision bigint not null default 1,
    anchor_at timestamptz not null default date_trunc('second', now()),
    settled_until timestamptz not null default now(),
    next_tick timestamptz,
    look_at timestamptz not null default now(),
    queued_tick timestamptz,
    queued_text text,
    last_tick timestamptz,
    last_text text,
    last_run uuid,
    last_outcome text,
    last_error text,
    last_error_at timestamptz,
    refused integer not null default 0,
    failures_since timestamptz not null default now(),
    paused_at timestamptz,
    paused_by text,
    paused_because text,
    pause_reason text,
    changed_at timestamptz not null default now(),
    changed_by text not null default session_user,
    primary key (workflow_id, name),
    constraint schedules_paused_check check (
        (paused_at is null) = (paused_by is null) and (paused_at is null) = (paused_because is null)
        and (paused_at is null) = (pause_reason is null)
        and paused_because in ('person', 'file', 'failures', 'definition')),
    constraint schedules_times_check check (
        anchor_at >= '1970-01-01 00:00:00+00' and anchor_at < '10000-01-01 00:00:00+00'
        and settled_until >= '1970-01-01 00:00:00+00' and settled_until < '10000-01-01 00:00:00+00'
        and look_at >= '1970-01-01 00:00:00+00' and look_at < '10000-01-01 00:00:00+00'
        and (next_tick is null or next_tick >= '1970-01-01 00:00:00+00' and next_tick < '10000-01-01 00:00:00+00')
        and (queued_tick is null or queued_tick >= '1970-01-01 00:00:00+00' and queued_tick < '10000-01-01 00:00:00+00')),
    constraint schedules_queued_check check ((queued_tick is null) = (queued_text is null))
) with (fillfactor = 70);
create index schedules_due on piton.schedules (workflow_id, look_at) where paused_at is null;
create index schedules_ahead on piton.schedules (workflow_id, settled_until) where paused_at is null;
comment on table piton.schedules is 'When workflows start by themselves: a row for each schedule of a current version, and for each that was set in SQL.';
comment on column piton.schedules.workflow_id is 'The workflow.';
comment on column piton.schedules.name is 'Name of the schedule within its workflow.';
comment on column piton.schedules.definition is 'The keys of its table in the workflow file, as JSON.';
comment on column piton.schedules.from_file is 'The file of the workflow''s current version says so; otherwise piton.set_schedule did.';
comment on column piton.schedules.revision is 'Raised with every change: what was computed from an older one does nothing.';
comment on column piton.schedules.anchor_at is 'From when `every` counts: when the schedule was made, or its timing changed.';
comment on column piton.schedules.settled_until is 'Every tick up to here is decided. Whoever decides about later ones moves it on, from the value that they saw.';
comment on column piton.schedules.next_tick is 'The next tick, as a worker has computed it; null before the first worker has, and where none is left.';
comment on column piton.schedules.look_at is 'When a worker looks at it again: at the next tick with its jitter, and once a day.';
comment on column piton.schedules.queued_tick is 'The tick that starts a run once the current one has ended (overlap queue_one).';
comment on column piton.schedules.queued_text is 'That tick as its run is told.';
comment on column piton.schedules.last_tick is 'The last tick that started a run.';
comment on column piton.schedules.last_text is 'That tick as its run was told, and as the next one is told of it.';
comment on column piton.schedules.last_run is 'The run of that tick.';
comment on column piton.schedules.last_outcome is 'What became of the last tick: started, queued, skipped, missed, refused or known (it had a run).';
comment on column piton.schedules.last_error is 'Why the last run that could not start did not.';
comment on column piton.schedules.last_error_at is 'When that was.';
comment on column piton.schedules.refused is 'How many runs in a row could not start.';
comment on column piton.schedules.failures_since is 'Earlier ticks do not count for pause_after_failures: when it was made or last resumed.';
comment on column piton.schedules.paused_at is 'When it was paused; null while it is not.';
comment on column piton.schedules.paused_by is 'Who paused it; piton for the engine.';
comment on column piton.schedules.paused_because is 'person: somebody paused it. file: the current version no longer has it. failures: pause_after_failures. definition: it cannot be read.';
comment on column piton.schedules.pause_reason is 'Why it is paused.';
comment on column piton.schedules.changed_at is 'When its definition last changed.';
comment on column piton.schedules.changed_by is 'Who deployed or set that.';

create table piton.schedule_runs (
    run_id bigint primary key,
    workflow_id bigint not null,
    schedule text not null,
    tick timestamptz not null,
    is_triggered boolean not null default false,
    is_open boolean not null default true
);
create index schedule_runs_by_tick on piton.schedule_runs (workflow_id, schedule, tick);
create index schedule_runs_open on piton.schedule_runs (workflow_id, schedule) where is_open;
comment on table piton.schedule_runs is 'Runs that schedules have started.';
comment on column piton.schedule_runs.run_id is 'The run.';
comment on column piton.schedule_runs.workflow_id is 'Its workflow.';
comment on column piton.schedule_runs.schedule is 'Name of the schedule.';
comment on column piton.schedule_runs.tick is 'The tick, or when somebody triggered it.';
comment on column piton.schedule_runs.is_triggered is 'Somebody started it between ticks.';
comment on column piton.schedule_runs.is_open is 'It was not known to have ended when the schedule was last looked at.';

-- functions: 6f285cb012ad21e9071b2d835f22419acef642ac736dbcdfe5badbf9b31dfe63
