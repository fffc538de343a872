-- The tables the engine works on. The schema `piton` and the table `piton.migrations` exist before this runs.

create table piton.workflows (
    id bigint generated always as identity primary key,
    name text not null unique check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    registered_at timestamptz not null default now()
);
comment on table piton.workflows is 'Workflows by name. A job is queued under its workflow, so that a worker claims only what it has handlers for.';
comment on column piton.workflows.id is 'The queue that jobs of every version of this workflow stand in.';
comment on column piton.workflows.name is 'Name from the workflow file.';
comment on column piton.workflows.registered_at is 'When a process first registered a file of that name.';

create table piton.workflow_versions (
    id bigint generated always as identity primary key,
    workflow_id bigint not null references piton.workflows,
    digest bytea not null check (octet_length(digest) = 32),
    definition json not null,
    registered_at timestamptz not null default now(),
    unique (workflow_id, digest)
);
comment on table piton.workflow_versions is 'Every definition that was ever registered; a run is pinned to one.';
comment on column piton.workflow_versions.id is 'What runs and jobs refer to.';
comment on column piton.workflow_versions.workflow_id is 'The workflow it is a version of.';
comment on column piton.workflow_versions.digest is 'SHA-256 of the definition in canonical form: comments and white space in the file make no new version.';
comment on column piton.workflow_versions.definition is 'The checked definition: stages in file order, needs, fan-outs, limits.';
comment on column piton.workflow_versions.registered_at is 'When a process first registered this version.';

create table piton.workers (
    id bigint generated always as identity primary key,
    boot_id uuid not null unique,
    name text not null check (name <> ''),
    host text not null,
    pid integer not null,
    started_at timestamptz not null default now(),
    last_seen timestamptz not null default now(),
    lock_held boolean not null default false,
    stopped_at timestamptz,
    stop_reason text check (stop_reason in ('drained', 'superseded', 'lost')),
    check ((stopped_at is null) = (stop_reason is null))
);
create unique index workers_live_name on piton.workers (name) where stopped_at is null;
comment on table piton.workers is 'One row per boot of a worker. A worker that restarts under its name gets a new row and ends the old one.';
comment on column piton.workers.id is 'Names the boot inside the engine; claims and commits are fenced by it.';
comment on column piton.workers.boot_id is 'Names the boot for people and logs; new at every start.';
comment on column piton.workers.name is 'Stable name; at most one live boot has it.';
comment on column piton.workers.host is 'Host it runs on.';
comment on column piton.workers.pid is 'Its process id there.';
comment on column piton.workers.started_at is 'When it registered.';
comment on column piton.workers.last_seen is 'Its last heartbeat by the database''s clock; older than the lease means lost.';
comment on column piton.workers.lock_held is 'It holds the session lock that ends with its process, so that others see its death at once and not only by the lease.';
comment on column piton.workers.stopped_at is 'When this boot ended, by itself or in the eyes of the others; then it can commit nothing more.';
comment on column piton.workers.stop_reason is 'drained: it shut down; superseded: a new boot took its name; lost: its lock or heartbeat was gone.';

create table piton.runs (
    id bigint generated always as identity primary key,
    uuid uuid not null unique,
    version_id bigint not null references piton.workflow_versions,
    state text not null default 'running' check (state in ('running', 'done', 'failed')),
    priority smallint not null default 0 check (priority between -1000 and 1000),
    input json not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    failed_stage smallint,
    failure_class text,
    failure_message text,
    check ((state = 'running') = (finished_at is null)),
    check ((state = 'failed') = (failure_class is not null)),
    check ((failure_class is null) = (failure_message is null) and (failure_class is null) = (failed_stage is null))
) with (fillfactor = 85);
create index runs_version on piton.runs (version_id);
comment on table piton.runs is 'One execution of a workflow on one input.';
comment on column piton.runs.id is 'What the engine joins on.';
comment on column piton.runs.uuid is 'What people see: a UUIDv7.';
comment on column piton.runs.version_id is 'The workflow version the run is pinned to from start to end.';
comment on column piton.runs.state is 'running -> done, or running -> failed.';
comment on column piton.runs.priority is 'Higher is claimed first; 0 by default.';
comment on column piton.runs.input is 'The run''s input, as it was given.';
comment on column piton.runs.started_at is 'When start_run committed.';
comment on column piton.runs.finished_at is 'When the last stage committed, or a job was given up.';
comment on column piton.runs.failed_stage is 'The stage (position in the definition) whose job was given up.';
comment on column piton.runs.failure_class is 'Class of the failure that ended the run.';
comment on column piton.runs.failure_message is 'Message of the failure that ended the run.';

create table piton.jobs (
    run_id bigint not null references piton.runs,
    id bigint generated always as identity,
    workflow_id bigint not null,
    version_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null default -1 check (item >= -1),
    state text not null check (state in ('ready', 'running', 'scheduled')),
    attempt integer not null default 0 check (attempt >= 0),
    rank smallint not null default 0,
    due_at timestamptz not null default now(),
    since timestamptz not null default now(),
    worker_id bigint references piton.workers,
    progress_done bigint,
    progress_of bigint,
    progress_note text,
    primary key (run_id, id),
    check ((state = 'running') = (worker_id is not null)),
    check (state <> 'running' or attempt > 0)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
create index jobs_ready on piton.jobs (workflow_id, rank, due_at, id) where state = 'ready';
create index jobs_scheduled on piton.jobs (due_at) where state = 'scheduled';
create index jobs_running on piton.jobs (worker_id, run_id, id) where state = 'running';
comment on table piton.jobs is 'The queue: one row per live branch of a run. The row moves from stage to stage and is deleted at the end of its branch; it carries no payload.';
comment on column piton.jobs.run_id is 'Its run.';
comment on column piton.jobs.id is 'Names the branch within the engine.';
comment on column piton.jobs.workflow_id is 'The queue it stands in.';
comment on column piton.jobs.version_id is 'The definition it follows.';
comment on column piton.jobs.stage is 'Position of the stage in the definition.';
comment on column piton.jobs.item is 'Item of a fanned-out stage; -1 for a whole stage, also for a fanned-out one that is still to be split.';
comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: ready | retry: scheduled | end: no row).';
comment on column piton.jobs.attempt is 'Attempts begun at this stage and item; while running, the fencing token of the claim.';
comment on column piton.jobs.rank is 'The run''s priority turned round, so that the index is read forwards.';
comment on column piton.jobs.due_at is 'When it may be claimed first; also its place in the queue. A branch keeps it from stage to stage, so that old runs finish first.';
comment on column piton.jobs.since is 'When it entered its state.';
comment on column piton.jobs.worker_id is 'The boot that has claimed it.';
comment on column piton.jobs.progress_done is 'Progress the running stage last reported: so many done.';
comment on column piton.jobs.progress_of is 'Progress the running stage last reported: of so many.';
comment on column piton.jobs.progress_note is 'Progress the running stage last reported: in words.';

create table piton.joins (
    run_id bigint not null references piton.runs,
    stage smallint not null check (stage >= -1),
    missing integer not null check (missing > 0),
    primary key (run_id, stage)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
comment on table piton.joins is 'Stages that wait for more than one branch; the arrival that brings missing to zero takes the row away and makes the job.';
comment on column piton.joins.run_id is 'Its run.';
comment on column piton.joins.stage is 'The stage that waits; -1 is the end of the run.';
comment on column piton.joins.missing is 'Arrivals still to come. A fanned-out need counts as one until it is split, then as one per item.';

-- No foreign keys from here on: they would lock the run's row once per finished stage, and every row here is
-- written by a statement that has just changed a job row of that run.
create table piton.checkpoints (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    attempt integer not null check (attempt > 0),
    worker_id bigint not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default now(),
    bytes integer not null check (bytes >= 0),
    digest bytea not null check (octet_length(digest) = 32),
    output json not null,
    primary key (run_id, stage, item)
) with (autovacuum_vacuum_insert_scale_factor = 0.5);
comment on table piton.checkpoints is 'Finished jobs with their outputs. The primary key is the promise that a stage is recorded once.';
comment on column piton.checkpoints.run_id is 'Its run.';
comment on column piton.checkpoints.stage is 'Position of the stage in the definition.';
comment on column piton.checkpoints.item is 'Item of a fanned-out stage; -1 for a whole stage. The row -1 of a fanned-out stage records the split; its output is the number of items.';
comment on column piton.checkpoints.attempt is 'The attempt that committed it.';
comment on column piton.checkpoints.worker_id is 'The boot that committed it.';
comment on column piton.checkpoints.started_at is 'When that attempt was claimed.';
comment on column piton.checkpoints.finished_at is 'When it committed.';
comment on column piton.checkpoints.bytes is 'Size of the output, so that a join can be refused before it is read.';
comment on column piton.checkpoints.digest is 'SHA-256 of the output''s text, verified whenever it becomes an input.';
comment on column piton.checkpoints.output is 'The output: the very text the stage returned (json, not jsonb, so that the digest holds).';

create table piton.attempts (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    attempt integer not null check (attempt > 0),
    outcome text not null check (outcome in ('failed', 'lost', 'released', 'cancelled')),
    class text check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown',
                                'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint')),
    message text,
    detail json,
    worker_id bigint not null,
    started_at timestamptz not null,
    ended_at timestamptz not null default now(),
    retry_at timestamptz,
    primary key (run_id, stage, item, attempt),
    check ((outcome in ('failed', 'lost')) = (class is not null)),
    check ((class is null) = (message is null))
);
comment on table piton.attempts is 'Attempts that left no checkpoint. With the checkpoint of the one that did, they number a job''s attempts without holes.';
comment on column piton.attempts.run_id is 'Its run.';
comment on column piton.attempts.stage is 'Position of the stage in the definition.';
comment on column piton.attempts.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.attempts.attempt is 'Its number, from 1.';
comment on column piton.attempts.outcome is 'failed: it returned a failure; lost: its worker was gone; released: handed back at shutdown; cancelled: its run ended.';
comment on column piton.attempts.class is 'Failure class; empty where no failure is counted.';
comment on column piton.attempts.message is 'What went wrong, in words.';
comment on column piton.attempts.detail is 'More about it, as the stage gave it.';
comment on column piton.attempts.worker_id is 'The boot that ran it.';
comment on column piton.attempts.started_at is 'When it was claimed.';
comment on column piton.attempts.ended_at is 'When its end was recorded.';
comment on column piton.attempts.retry_at is 'When the job is due again because of it; empty when it was given up.';
