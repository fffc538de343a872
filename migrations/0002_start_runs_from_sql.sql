-- What SQL needs to start a run: which version of a workflow is current, and the plan that version starts with.

alter table piton.workflow_versions
    add column start_stages smallint[],
    add column join_stages smallint[],
    add column join_missing integer[],
    -- A run without a first job would wait for ever, so a plan is whole or absent.
    add check ((start_stages is null) = (join_stages is null) and (start_stages is null) = (join_missing is null)),
    add check (cardinality(start_stages) > 0),
    add check (cardinality(join_stages) = cardinality(join_missing));
comment on column piton.workflow_versions.start_stages is 'Stages that need nothing: a run starts with a job for each. Empty until a Piton that writes it registers this version.';
comment on column piton.workflow_versions.join_stages is 'Stages a run starts a join for; -1 is the end of the run.';
comment on column piton.workflow_versions.join_missing is 'What each of join_stages waits for at the start.';

alter table piton.workflows add column current_version_id bigint references piton.workflow_versions;
comment on column piton.workflows.current_version_id is 'The version registered last, also when it is an old one again; piton.start_run starts it. Empty until a Piton that writes it registers the workflow.';

create table piton.function_set (
    digest bytea not null,
    version bigint not null,
    applied_at timestamptz not null default now()
);
comment on table piton.function_set is 'One row: which functions (migrations/functions) the schema has. Its lock lets one process at a time put them there.';
comment on column piton.function_set.digest is 'SHA-256 over their texts.';
comment on column piton.function_set.version is 'Newest migration of the Piton that put them there; one that knows only older migrations leaves them alone.';
comment on column piton.function_set.applied_at is 'When it put them there.';
insert into piton.function_set (digest, version) values ('', 0);

-- Postgres reads a table's checks anew in every statement that writes to it: for one run those of piton.runs took as
-- long as all the rest of its row. A function's body is read once per session.
create function piton.is_sound_run(
    state text, priority smallint, finished_at timestamptz, failed_stage smallint, failure_class text, failure_message text
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state in ('running', 'done', 'failed')
       and priority between -1000 and 1000
       and (state = 'running') = (finished_at is null)
       and (state = 'failed') = (failure_class is not null)
       and (failure_class is null) = (failure_message is null)
       and (failure_class is null) = (failed_stage is null);
end
$$;
comment on function piton.is_sound_run(text, smallint, timestamptz, smallint, text, text) is 'What piton.runs checks of every row. Part of the table: it changes by migrations.';
alter table piton.runs
    drop constraint runs_state_check,
    drop constraint runs_priority_check,
    drop constraint runs_check,
    drop constraint runs_check1,
    drop constraint runs_check2,
    add constraint runs_are_sound check (
        piton.is_sound_run(state, priority, finished_at, failed_stage, failure_class, failure_message));

-- functions: 494682030262596515972d8200a2ff28f4cea1d91e9b4f748b1e411a0023d5ff
