-- Versions of workflows, for people.
create or replace view piton.versions_overview as
select w.name as workflow, left(encode(v.digest, 'hex'), 12) as version, v.id is not distinct from w.current_version_id as current,
       case when v.id = w.current_version_id then w.current_since end as current_since,
       case when v.id = w.current_version_id then w.current_by end as current_by,
       v.registered_at, v.deployed_at, left(encode(b.digest, 'hex'), 12) as replaced, encode(v.digest, 'hex') as digest,
       v.deployed_by
from piton.workflow_versions v
join piton.workflows w on w.id = v.workflow_id
left join piton.workflow_versions b on b.id = v.replaced_version_id;
comment on view piton.versions_overview is 'Versions of workflows: select * from piton.versions_overview where workflow = ''story'' order by registered_at desc. Another one is made current with piton.deploy_workflow, the one before with piton.rollback_workflow.';
comment on column piton.versions_overview.workflow is 'Name of the workflow.';
comment on column piton.versions_overview.version is 'First twelve digits of its digest.';
comment on column piton.versions_overview.current is 'It is the one that runs are started of, and whose limits hold.';
comment on column piton.versions_overview.current_since is 'Since when it is the current one; nothing where an older Piton made it so.';
comment on column piton.versions_overview.current_by is 'Who made it so.';
comment on column piton.versions_overview.registered_at is 'When a process first registered it.';
comment on column piton.versions_overview.deployed_at is 'When it was deployed last; nothing while it never was.';
comment on column piton.versions_overview.replaced is 'The version that it replaced then: where a rollback goes back to.';
comment on column piton.versions_overview.digest is 'All of its digest.';
comment on column piton.versions_overview.deployed_by is 'Who deployed it last; nothing where an older Piton did not keep it.';
