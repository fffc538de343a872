create or replace view piton.storage_stats as
select w.name as workflow, a.type, count(*) as artifacts, least(coalesce(sum(a.bytes), 0), 9e18)::int8 as bytes,
       min(a.created_at) as oldest, max(a.created_at) as newest
from piton.artifacts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
group by w.name, a.type;
comment on view piton.storage_stats is 'What is in the artifact store, by workflow and type. Walks all artifacts.';
comment on column piton.storage_stats.workflow is 'Name of the workflow.';
comment on column piton.storage_stats.type is 'Type of the artifacts.';
comment on column piton.storage_stats.artifacts is 'How many.';
comment on column piton.storage_stats.bytes is 'Their size.';
comment on column piton.storage_stats.oldest is 'When the first of them was made.';
comment on column piton.storage_stats.newest is 'When the last of them was made.';
