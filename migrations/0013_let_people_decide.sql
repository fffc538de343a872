-- What people decide about runs and queues: cancelling, pausing, starting once by a key, starting later, and deadlines.

create or replace function piton.is_sound_run(
    state text, priority smallint, finished_at timestamptz, failed_stage smallint, failure_class text, failure_message text
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state in ('running', 'blocked', 'done', 'failed', 'cancelled')
       and priority between -1000 and 1000
       and (state in ('running', 'blocked')) = (finished_at is null)
       and (state = 'failed') = (failure_class is not null)
       and (failure_class is null) = (failure_message is null)
       and (failure_class is null) = (failed_stage is null);
end
$$;
comment on column piton.runs.state is 'running -> done; running -> blocked (a dead letter is pending) -> running (retried) or failed (dismissed); running or blocked -> cancelled.';
comment on column piton.runs.finished_at is 'When the last stage committed, a dead letter was dismissed, or it was cancelled.';

create table piton.cancellations (
    run_id bigint primary key,
    reason text not null,
    cancelled_by text not null,
    cancelled_at timestamptz not null default now(),
    deadline timestamptz
);
comment on table piton.cancellations is 'Why runs were cancelled: a row for each that was.';
comment on column piton.cancellations.run_id is 'The run.';
comment on column piton.cancellations.reason is 'Why, in words.';
comment on column piton.cancellations.cancelled_by is 'Who did it: a name from the command line, or the database role; piton for a deadline that passed.';
comment on column piton.cancellations.cancelled_at is 'When.';
comment on column piton.cancellations.deadline is 'The deadline that passed; empty where somebody decided.';
create index cancellations_at on piton.cancellations (cancelled_at);

-- A run without a key or a deadline has no row, and costs nothing more.
create table piton.run_keys (
    workflow_id bigint not null references piton.workflows,
    key text not null check (length(key) between 1 and 200),
    run uuid not null,
    created_at timestamptz not null default now(),
    primary key (workflow_id, key)
);
comment on table piton.run_keys is 'Keys under which runs were started, so that asking again starts nothing.';
comment on column piton.run_keys.workflow_id is 'The workflow: each has its own keys.';
comment on column piton.run_keys.key is 'What the caller named it.';
comment on column piton.run_keys.run is 'Id of the run that was started under it.';
comment on column piton.run_keys.created_at is 'When.';

create table piton.deadlines (
    run_id bigint primary key,
    at timestamptz not null
);
comment on table piton.deadlines is 'Runs that are cancelled when they are not finished by then. A row goes when its time has come.';
comment on column piton.deadlines.run_id is 'The run.';
comment on column piton.deadlines.at is 'When it has to be finished.';
create index deadlines_at on piton.deadlines (at);

create table piton.pauses (
    workflow_id bigint not null,
    stage text not null default '',
    reason text not null,
    paused_by text not null,
    paused_at timestamptz not null default now(),
    primary key (workflow_id, stage)
);
comment on table piton.pauses is 'What is paused: its jobs are not claimed. What runs goes on to its end.';
comment on column piton.pauses.workflow_id is 'The workflow; 0 for every one.';
comment on column piton.pauses.stage is 'Name of the stage; empty for every stage of the workflow.';
comment on column piton.pauses.reason is 'Why, in words.';
comment on column piton.pauses.paused_by is 'Who did it.';
comment on column piton.pauses.paused_at is 'When.';

create table piton.paused_stages (
    version_id bigint not null,
    stage smallint not null,
    primary key (version_id, stage)
);
comment on table piton.paused_stages is 'The stages of piton.pauses as claims know them, in every version of their workflow. Kept by piton.pause, piton.resume, and whoever registers a version.';
comment on column piton.paused_stages.version_id is 'The version.';
comment on column piton.paused_stages.stage is 'Position of the stage in its definition.';

alter table piton.workers
    add column serves bigint[],
    add column lacks_versions bigint[],
    add column lacks_stages smallint[];
comment on column piton.workers.serves is 'Workflows that it claims jobs of. Empty until its first heartbeat.';
comment on column piton.workers.lacks_versions is 'Versions of the stages that it leaves to others, as far as it has met them: it has no handler, program or variable for them.';
comment on column piton.workers.lacks_stages is 'Positions of those stages, in the order of their versions.';

-- What people ask joins the names of stages to a great many jobs: they are read from here, and not from the definition's text.
alter table piton.workflow_versions add column stage_names text[];
update piton.workflow_versions v set stage_names = array(
    select s.definition ->> 'name'
    from json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place) order by s.place);
alter table piton.workflow_versions alter column stage_names set not null;
comment on column piton.workflow_versions.stage_names is 'Names of its stages, in the order of the definition.';

-- The signature has changed (migrations/functions).
drop function if exists piton.start_run(text, json, integer, text, text);
drop function if exists piton.start_run_of(bigint, uuid, json, integer, text, text);

-- functions: 9ab8f33b75f342745336219af8c6da43e228e3f645b4c708c76be655abe4d464
