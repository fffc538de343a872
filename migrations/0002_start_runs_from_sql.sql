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

-- functions: 5bd1dd228959ec1de1042e50fd4ef8e27255dc0f4a121b62bf0a0e6f68a56805
