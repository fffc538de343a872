-- Paused stages, and those that some workers cannot run, are set aside like those with limits; and workers share a limit.

drop index if exists piton.jobs_limited;

alter table piton.stage_limits
    add column turns bigint[] not null default '{}',
    add column left_at timestamptz;
comment on table piton.stage_limits is 'What jobs are set aside under: limits of stages, as the current version of their workflow has them, one for all versions, runs and workers; and stages that are or were paused, or that a worker lacks something for, with nothing that limits them. Kept by piton.make_current, piton.pause and piton.leave_stages. No row is ever deleted, for jobs may still refer to it.';
comment on column piton.stage_limits.turns is 'Workers that have begun attempts under it while others could have: the latest one last.';
comment on column piton.stage_limits.left_at is 'Since when a worker has left room to others that have free slots; empty when there is none, or one of them took it.';
comment on table piton.limited_stages is 'The stages of piton.stage_limits that have limits or are paused, as claims know them, in every version of their workflow. Kept by piton.make_current, piton.pause and piton.resume.';
comment on column piton.jobs.limit_id is 'What it is set aside under, or the limit of its stage that its attempt counts for.';
comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: running on, or ready | retry: scheduled | its process died: suspect | end: no row); suspect -> running, alone; ready -> limited -> running where its stage has a limit, is paused, or cannot run on the worker that met it.';
comment on column piton.jobs.since is 'When it entered its state; what is set aside (limited) keeps since when it was ready.';

-- functions: e2fd3e7c6dec81e7531a8e20a0fd0e6ed59fa2d00b79d2754b1f1945f63e9ffa
