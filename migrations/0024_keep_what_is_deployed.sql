-- Registering a version is not deploying it: who made the current version of a workflow that, when, and what it replaced.

-- Versions that an older Piton registered have all been current once.
alter table piton.workflow_versions
    add column deployed_at timestamptz,
    add column replaced_version_id bigint;
update piton.workflow_versions set deployed_at = registered_at;
comment on column piton.workflow_versions.deployed_at is 'When it was made the current version last, other than by a rollback; nothing while it never was. Registered by an older Piton: when it was registered.';
comment on column piton.workflow_versions.replaced_version_id is 'The version that was current before it was deployed: where a rollback goes back to.';

alter table piton.workflows
    add column current_since timestamptz,
    add column current_by text;
comment on column piton.workflows.current_version_id is 'The version that piton.start_run starts, and whose limits hold: deployed by the first process that registered it, or by piton.deploy_workflow or piton.rollback_workflow. Empty while none was deployed.';
comment on column piton.batches.version_id is 'The version that its runs follow, all of them: the one that was current when it was opened, or that of the file it was started from.';
comment on column piton.workflows.current_since is 'Since when its current version is that; nothing where an older Piton made it so.';
comment on column piton.workflows.current_by is 'Who made it so: a person, or a worker that was the first with a new version.';

-- A worker that is the first with a version deploys it, and says so.
alter table piton.audit
    drop constraint audit_face_check,
    add constraint audit_face_check check (face in ('sql', 'cli', 'api', 'worker')) not valid;

-- Releases may overlap: a binary works on a newer schema, as long as that says it may.
alter table piton.function_set add column oldest_binary bigint not null default 0;
comment on column piton.function_set.oldest_binary is 'The newest migration that the oldest Piton knows which works on this schema; one that knows less is refused.';
comment on column piton.function_set.version is 'Newest migration of the Piton that put them there; one that knows only older migrations leaves them alone, and works with them if it knows piton.function_set.oldest_binary.';
comment on table piton.function_set is 'One row: which functions (migrations/functions) the schema has, and which Pitons it works with.';

-- functions: 7e283a46ad06e4d9a9175e0cf540b0f254b002fa071158fc92358e0340d4524f
