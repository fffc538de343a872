-- Stages may say how many of their attempts run at once, and how many begin in a time.

create table piton.stage_limits (
    id bigint generated always as identity primary key,
    workflow_id bigint not null references piton.workflows,
    stage text not null,
    concurrency integer check (concurrency > 0),
    rate_attempts integer check (rate_attempts > 0),
    rate_period interval check (rate_period > interval '0'),
    next_at timestamptz not null default now(),
    unique (workflow_id, stage),
    check ((rate_attempts is null) = (rate_period is null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table piton.stage_limits is 'Limits of stages, as the current version of their workflow has them: one for all versions, runs and workers. Kept by piton.make_current. A limit that was lifted is a row that limits nothing, for jobs may still refer to it.';
comment on column piton.stage_limits.id is 'What jobs refer to.';
comment on column piton.stage_limits.workflow_id is 'The workflow.';
comment on column piton.stage_limits.stage is 'Name of the stage.';
comment on column piton.stage_limits.concurrency is 'Attempts that may run at once; empty for no limit.';
comment on column piton.stage_limits.rate_attempts is 'Attempts that may begin within rate_period; empty for no limit.';
comment on column piton.stage_limits.rate_period is 'The time that rate_attempts are for.';
comment on column piton.stage_limits.next_at is 'From when on the rate allows another attempt.';

create table piton.limited_stages (
    version_id bigint not null,
    stage smallint not null,
    limit_id bigint not null,
    primary key (version_id, stage)
);
comment on table piton.limited_stages is 'The stages of piton.stage_limits as claims know them, in every version of their workflow. Kept by piton.make_current.';
comment on column piton.limited_stages.version_id is 'The version.';
comment on column piton.limited_stages.stage is 'Position of the stage in its definition.';
comment on column piton.limited_stages.limit_id is 'Its limit.';

-- A claim that meets a ready job of such a stage sets it aside, so that no later claim walks over it; claims under the limit take
-- it from there. No job of another stage is in the index.
alter table piton.jobs
    drop constraint jobs_state_check,
    add column limit_id bigint,
    add constraint jobs_state_check check (state in ('ready', 'running', 'scheduled', 'suspect', 'limited')),
    add constraint jobs_limit_check check (state <> 'limited' or limit_id is not null);
create index jobs_limited on piton.jobs (limit_id, state, rank, due_at, id) where limit_id is not null;
comment on column piton.jobs.limit_id is 'The limit of its stage that it waits for, or that its attempt counts for.';
comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: running on, or ready | retry: scheduled | its process died: suspect | end: no row); suspect -> running, alone; ready -> limited -> running where its stage has a limit.';

-- The signature has changed (migrations/functions).
drop function if exists piton.begin_cleanup(uuid, text);

-- functions: ef56c1ad1c5608c0560dde8d1b3361e6257efe65c0fa4fd5c33e13728de034db
