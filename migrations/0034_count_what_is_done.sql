-- What is done in each minute, and what was left: throughput, trend and time to empty are read from it.

create table piton.throughput (
    minute timestamptz not null,
    worker_id bigint not null,
    workflow_id bigint not null,
    stage text not null,
    done bigint not null default 0 check (done >= 0),
    given_up bigint not null default 0 check (given_up >= 0),
    failed bigint not null default 0 check (failed >= 0),
    attempts bigint not null default 0 check (attempts >= 0),
    seconds double precision not null default 0 check (seconds >= 0),
    begun bigint not null default 0 check (begun >= 0),
    waited double precision not null default 0 check (waited >= 0),
    since timestamptz not null check (isfinite(since)),
    told_at timestamptz not null check (isfinite(told_at)),
    told bigint not null,
    primary key (minute, worker_id, workflow_id, stage)
);
comment on table piton.throughput is 'What was done in each minute, by stage. Every worker adds what it has counted about every 10 seconds; one that dies takes what it counted since with it. Kept for three days, after an hour as one row for all workers.';
comment on column piton.throughput.minute is 'The minute in which it was added, by the database''s clock: up to 10 seconds after it happened.';
comment on column piton.throughput.worker_id is 'The boot that counted it; 0 for all of them together.';
comment on column piton.throughput.workflow_id is 'The workflow.';
comment on column piton.throughput.stage is 'Name of the stage.';
comment on column piton.throughput.done is 'Jobs that were finished: stages, their items, and the jobs that split stages into items.';
comment on column piton.throughput.given_up is 'Jobs that became dead letters.';
comment on column piton.throughput.failed is 'Attempts that failed, also those that are tried again. An attempt that is lost with its worker is not among them.';
comment on column piton.throughput.attempts is 'Attempts that ended.';
comment on column piton.throughput.seconds is 'How long those ran, together.';
comment on column piton.throughput.begun is 'Attempts that began.';
comment on column piton.throughput.waited is 'How long those had waited to begin, together, in seconds.';
comment on column piton.throughput.since is 'From when on it was counted.';
comment on column piton.throughput.told_at is 'When the worker last added to it.';
comment on column piton.throughput.told is 'Which of the worker''s additions that was: one that is sent again adds nothing.';

create table piton.backlog (
    minute timestamptz not null,
    workflow_id bigint not null,
    jobs double precision not null check (jobs >= 0),
    seconds double precision not null check (seconds >= 0),
    primary key (minute, workflow_id)
);
comment on table piton.backlog is 'What was left to do in each minute, as the worker that reads the state for the metrics saw it. Kept for three days.';
comment on column piton.backlog.minute is 'The minute, by the database''s clock.';
comment on column piton.backlog.workflow_id is 'The workflow; 0 for all of them together, which has a row for every minute that was looked at.';
comment on column piton.backlog.jobs is 'Jobs of live runs that were left, with those of later stages.';
comment on column piton.backlog.seconds is 'How long those would take one after another, in seconds.';

alter table piton.stage_times
    add column jobs double precision not null default 0,
    add column splits double precision not null default 0,
    add column items double precision not null default 0;
alter table piton.stage_times
    add constraint stage_times_counts check (jobs >= 0 and splits >= 0 and items >= 0) not valid;
-- Until a worker has counted jobs, each is taken to need one attempt.
update piton.stage_times set jobs = attempts;
comment on table piton.stage_times is 'How long a stage takes and how many items it has, the latest ones counting most: what work left is estimated by.';
comment on column piton.stage_times.jobs is 'Jobs that those attempts brought to an end: done, or given up.';
comment on column piton.stage_times.splits is 'Times that the stage was split into items.';
comment on column piton.stage_times.items is 'How many items those had, together.';

-- functions: e986b4899ef24f110bed14ecb82be4df336fcaee4cbe3f30ef776db9dbc4d814
