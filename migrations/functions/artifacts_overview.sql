-- Artifacts, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.artifacts_overview as
select a.id as artifact, r.uuid as run, w.name as workflow, case when a.stage >= 0 then v.definition -> 'stages' -> a.stage::int4 ->> 'name' else 'input' end as stage,
       nullif(a.item, -1) as item, a.attempt, a.name, a.type,
       a.type not in ('pending', 'failed', 'orphan', 'dead_letter') as visible,
       a.bytes, encode(a.digest, 'hex') as digest, a.content_type, a.address, k.name as worker, a.created_at
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers k on k.id = a.worker_id;
comment on view piton.artifacts_overview is 'Files that stages made, with names. What a run has to show: where run = ... and visible.';
comment on column piton.artifacts_overview.artifact is 'Its id.';
comment on column piton.artifacts_overview.run is 'Id of its run.';
comment on column piton.artifacts_overview.workflow is 'Name of the workflow.';
comment on column piton.artifacts_overview.stage is 'Name of the stage; input for a file that the run was started on.';
comment on column piton.artifacts_overview.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.artifacts_overview.attempt is 'The attempt that made it.';
comment on column piton.artifacts_overview.name is 'Name that the stage gave it.';
comment on column piton.artifacts_overview.type is 'output, preview, temp or a word of the stage''s own; pending while its attempt is under way; failed or orphan where that came to nothing.';
comment on column piton.artifacts_overview.visible is 'It belongs to a checkpoint that holds.';
comment on column piton.artifacts_overview.bytes is 'Its size; empty until it is whole.';
comment on column piton.artifacts_overview.digest is 'SHA-256 of its bytes; empty until it is whole.';
comment on column piton.artifacts_overview.content_type is 'Media type, where the stage gave one.';
comment on column piton.artifacts_overview.address is 'Where it is in the artifact store.';
comment on column piton.artifacts_overview.worker is 'Name of the worker that made it; empty for a file that the run was started on.';
comment on column piton.artifacts_overview.created_at is 'When it was announced, just before its first byte was written.';
