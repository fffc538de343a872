create or replace view piton.pauses_overview as
select w.name as workflow, nullif(p.stage, '') as stage, p.reason, p.paused_by, p.paused_at
from piton.pauses p
left join piton.workflows w on w.id = p.workflow_id;
comment on view piton.pauses_overview is 'What is paused, by whom and why.';
comment on column piton.pauses_overview.workflow is 'Name of the workflow; empty for every one.';
comment on column piton.pauses_overview.stage is 'Name of the stage; empty for every stage.';
comment on column piton.pauses_overview.reason is 'Why.';
comment on column piton.pauses_overview.paused_by is 'Who did it.';
comment on column piton.pauses_overview.paused_at is 'When.';
