-- What has been kept for as long as it should be. Walks what is asked for: all of it, or one run.
create or replace view piton.cleanup_due as
select 'artifacts' as what, a.type, t.workflow, r.uuid as run, a.run_id, a.id as artifact, null::uuid as batch, a.address,
       coalesce(a.bytes, 0) as bytes, a.created_at as since,
       coalesce(piton.protection(r.state, h.held_by),
                case when exists (select from piton.run_files f join piton.runs n on n.id = f.run_id
                                  left join piton.run_holds k on k.run_id = n.id
                                  where f.artifact = a.id and piton.protection(n.state, k.held_by) is not null)
                     then 'a run that was started on it is not over, or held' end) as refused,
       null::uuid as worker, null::bigint as version
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.retention_rules t on t.workflow_id = v.workflow_id and t.what = 'artifacts' and t.type = a.type
left join piton.run_holds h on h.run_id = a.run_id
where a.created_at <= now() - t.keep
union all
select 'runs', r.state, t.workflow, r.uuid, r.id, null, null, null, 0, r.finished_at,
       coalesce(piton.protection(r.state, h.held_by),
                case when exists (select from piton.artifacts a where a.run_id = r.id) then 'its artifacts are kept'
                     when r.parent_id is not null and exists (select from piton.runs p where p.id = r.parent_id)
                     then 'the run that started it is kept' end),
       null, null
from piton.runs r
join piton.workflow_versions v on v.id = r.version_id
join piton.retention_rules t on t.workflow_id = v.workflow_id and t.what = 'runs' and t.type = r.state
left join piton.run_holds h on h.run_id = r.id
where r.finished_at <= now() - t.keep
union all
select 'batches', 'ended', t.workflow, null, null, null, b.uuid, null, 0, coalesce(b.cancelled_at, b.sealed_at),
       case when exists (select from piton.batch_items i join piton.runs r on r.uuid = i.run where i.batch_id = b.id)
            then 'its runs are kept' end,
       null, null
from piton.batches b
join piton.retention_rules t on t.workflow_id = b.workflow_id and t.what = 'batches' and t.type = 'ended'
where b.state in ('started', 'cancelled') and coalesce(b.cancelled_at, b.sealed_at) <= now() - t.keep
union all
-- Attempts of every run tell who made them. None of a run that is there is older than that run.
select 'workers', 'ended', '', null, null, null, null, null, 0, w.stopped_at,
       case when exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running') then 'it holds jobs'
            when w.stopped_at >= (select r.started_at from piton.runs r order by r.id limit 1) then 'runs of its time are kept' end,
       w.boot_id, null
from piton.workers w
join piton.retention_rules t on t.workflow_id = 0 and t.what = 'workers' and t.type = 'ended'
where w.cleared and w.stopped_at <= now() - t.keep
union all
select 'versions', 'unused', t.workflow, null, null, null, null, null, 0, v.registered_at,
       case when exists (select from piton.runs r where r.version_id = v.id) then 'its runs are kept'
            when exists (select from piton.batches b where b.version_id = v.id) then 'its batches are kept' end,
       null, v.id
from piton.workflow_versions v
join piton.workflows w on w.id = v.workflow_id and w.current_version_id is distinct from v.id
join piton.retention_rules t on t.workflow_id = v.workflow_id and t.what = 'versions' and t.type = 'unused'
where v.registered_at <= now() - t.keep;
comment on view piton.cleanup_due is 'What cleanup would delete, and what it refuses to delete and why.';
comment on column piton.cleanup_due.what is 'runs, artifacts, batches, workers or versions.';
comment on column piton.cleanup_due.type is 'State of the run, or type of the artifact; ended for batches and workers; unused for versions.';
comment on column piton.cleanup_due.workflow is 'Name of the workflow; empty for a worker.';
comment on column piton.cleanup_due.run is 'Id of the run; empty for what is of none.';
comment on column piton.cleanup_due.run_id is 'Number of the run; empty for what is of none.';
comment on column piton.cleanup_due.artifact is 'Id of the artifact; empty for what is none.';
comment on column piton.cleanup_due.batch is 'Id of the batch; empty for what is none.';
comment on column piton.cleanup_due.address is 'Where it is in the artifact store; empty for what is no artifact.';
comment on column piton.cleanup_due.bytes is 'Size of the artifact; 0 for what is none.';
comment on column piton.cleanup_due.since is 'From when on it is counted: the end of a run, the making of an artifact, the start of a batch or when it was cancelled, the end of a worker, the registering of a version.';
comment on column piton.cleanup_due.refused is 'Why it stays; empty where it goes.';
comment on column piton.cleanup_due.worker is 'Boot id of the worker; empty for what is none.';
comment on column piton.cleanup_due.version is 'Number of the workflow version; empty for what is none.';
