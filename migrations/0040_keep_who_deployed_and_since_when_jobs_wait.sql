-- Who deployed a version stays on record when another one becomes current; and a job that was handed back unbegun has waited all
-- the time.

alter table piton.workflow_versions add column deployed_by text;
comment on column piton.workflow_versions.deployed_by is 'Who made it the current version last, other than by a rollback: a person, or a worker that was the first with it. Empty while it never was, and where an older Piton did not keep it.';
-- Of a version that is current since it was deployed it is known, and of one that replaced another the audit tells.
update piton.workflow_versions v set deployed_by = w.current_by
from piton.workflows w
where w.current_version_id = v.id and w.current_since = v.deployed_at;
update piton.workflow_versions v
set deployed_by = (
    select a.actor from piton.audit a join piton.workflows w on w.name = a.subject
    where w.id = v.workflow_id and a.subject_kind = 'workflow' and a.verb = 'deploy' and a.at = v.deployed_at
      and a.detail ->> 'to' = encode(v.digest, 'hex')
    order by a.id desc
    limit 1
)
where v.deployed_by is null and v.replaced_version_id is not null;

comment on column piton.jobs.since is 'When it entered its state. Of a job that waits again since no worker that claimed it could begin it: since when it has waited.';

-- functions: ddab4234e9a0c5a7a4889a9d044e87f184c3c47c05faa1e6b70b3ec04407d4a6
