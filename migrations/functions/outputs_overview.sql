-- Every output that is committed, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.outputs_overview as
select r.uuid as run, w.name as workflow, s.name as stage, nullif(k.item, -1) as item, k.output, k.bytes as output_bytes,
       k.finished_at, k.attempt, k.stage as stage_number, k.skipped
from piton.checkpoints k
join piton.runs r on r.id = k.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
cross join lateral (
    select coalesce(d.stage ->> 'name', '#' || k.stage) as name, d.stage -> 'for_each' is not null as has_items
    from (select v.definition -> 'stages' -> k.stage::int4) as d (stage)
) as s
where k.item >= 0 or not s.has_items or k.skipped is not null;
comment on view piton.outputs_overview is 'What stages have returned: a row for each finished stage, and for each finished item of a stage that has items.';
comment on column piton.outputs_overview.run is 'Id of its run.';
comment on column piton.outputs_overview.workflow is 'Name of the workflow.';
comment on column piton.outputs_overview.stage is 'Name of the stage.';
comment on column piton.outputs_overview.item is 'Item of a fanned-out stage, from 0; empty for a whole stage.';
comment on column piton.outputs_overview.output is 'The output itself, as the stages after it get it.';
comment on column piton.outputs_overview.output_bytes is 'Its size.';
comment on column piton.outputs_overview.finished_at is 'When it was committed.';
comment on column piton.outputs_overview.attempt is 'Number of the attempt that returned it.';
comment on column piton.outputs_overview.stage_number is 'Position of the stage in the definition.';
comment on column piton.outputs_overview.skipped is 'Why there is no output: the stage or the item was skipped; empty where it was done.';
