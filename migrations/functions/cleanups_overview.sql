create or replace view piton.cleanups_overview as
select c.id as cleanup, c.state, c.planned_by, c.planned_at, c.began_at, c.ended_at, i.what, i.type, i.workflow,
       count(i.number) as items, least(coalesce(sum(i.bytes), 0), 9e18)::int8 as bytes, count(i.deleted_at) as deleted,
       least(coalesce(sum(i.bytes) filter (where i.deleted_at is not null), 0), 9e18)::int8 as deleted_bytes,
       count(i.error) as errors, min(i.error) as error
from piton.cleanups c
left join piton.cleanup_items i on i.cleanup_id = c.id
group by c.id, i.what, i.type, i.workflow;
comment on view piton.cleanups_overview is 'What cleanups were to delete and have deleted, by what it was.';
comment on column piton.cleanups_overview.cleanup is 'The plan.';
comment on column piton.cleanups_overview.state is 'planned, running or done.';
comment on column piton.cleanups_overview.planned_by is 'Who asked for it; piton for one that was due.';
comment on column piton.cleanups_overview.planned_at is 'When its items were chosen.';
comment on column piton.cleanups_overview.began_at is 'When it began to delete.';
comment on column piton.cleanups_overview.ended_at is 'When it was through.';
comment on column piton.cleanups_overview.what is 'runs, artifacts, batches, workers or versions; empty where there was nothing to do.';
comment on column piton.cleanups_overview.type is 'State of the runs, or type of the artifacts; ended for batches and workers; unused for versions.';
comment on column piton.cleanups_overview.workflow is 'Name of the workflow; empty for workers.';
comment on column piton.cleanups_overview.items is 'How many.';
comment on column piton.cleanups_overview.bytes is 'Their size: of artifacts, or of the outputs of runs.';
comment on column piton.cleanups_overview.deleted is 'How many are deleted.';
comment on column piton.cleanups_overview.deleted_bytes is 'Their size.';
comment on column piton.cleanups_overview.errors is 'How many were not.';
comment on column piton.cleanups_overview.error is 'Why one of them was not.';
