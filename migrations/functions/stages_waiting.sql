create or replace view piton.stages_waiting as
select r.uuid as run, w.name as workflow, s.name as stage, 'waiting for ' || coalesce(undone.names, 'branches under way') as why
from piton.joins o
join piton.runs r on r.id = o.run_id
join piton.stage_names s on s.version_id = r.version_id and s.stage = o.stage
join piton.workflows w on w.id = s.workflow_id
left join lateral (
    select string_agg(n.name, ', ' order by n.stage) as names
    from piton.stages_of(r.version_id) n
    where n.stage = any((select t.needs from piton.stages_of(r.version_id) t where t.stage = o.stage)::int2[])
      and (not exists (select from piton.checkpoints k where k.run_id = o.run_id and k.stage = n.stage and k.item = -1)
           or exists (select from piton.jobs j where j.run_id = o.run_id and j.stage = n.stage)
           or exists (select from piton.dead_letters d
                      where d.run_id = o.run_id and d.stage = n.stage and d.resolution = 'pending'))
) as undone on true;
comment on view piton.stages_waiting is 'Stages that wait for more than one branch, and which of the stages that they need are not done. A part of piton.why_waiting.';
comment on column piton.stages_waiting.run is 'Id of the run.';
comment on column piton.stages_waiting.workflow is 'Name of the workflow.';
comment on column piton.stages_waiting.stage is 'Name of the stage.';
comment on column piton.stages_waiting.why is 'What it waits for, in words.';
