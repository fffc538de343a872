-- Rounds that are over, with names. Asked for one run (where run = ...) it costs what that run has.
create or replace view piton.rounds_overview as
select r.uuid as run, w.name as workflow, v.stage_names[o.stage + 1] as stage, o.round,
       (v.definition -> 'stages' -> o.stage::int4 -> 'repeat' ->> 'at_most')::int4 as at_most, o.ended_at, o.why, k.output, o.dead_letter,
       o.stage as stage_number
from piton.rounds o
join piton.runs r on r.id = o.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.round_checkpoints k on k.run_id = o.run_id and k.stage = o.stage and k.item = -1 and k.round = o.id;
comment on view piton.rounds_overview is 'Rounds that were not good enough, so that another one began; why, and what their last stage had returned. What their other stages had done is in piton.round_checkpoints.';
comment on column piton.rounds_overview.run is 'Id of the run.';
comment on column piton.rounds_overview.workflow is 'Name of the workflow.';
comment on column piton.rounds_overview.stage is 'Name of the stage that decides, the last one of the round.';
comment on column piton.rounds_overview.round is 'Number of the round, from 1.';
comment on column piton.rounds_overview.at_most is 'Maximum number of rounds. A retry of a dead letter may add one.';
comment on column piton.rounds_overview.ended_at is 'When it ended, and the next one began.';
comment on column piton.rounds_overview.why is 'Why it was not good enough.';
comment on column piton.rounds_overview.output is 'What the stage that decides had returned.';
comment on column piton.rounds_overview.dead_letter is 'The dead letter whose retry began the rounds anew from 1; empty for rounds that count.';
comment on column piton.rounds_overview.stage_number is 'Position of the stage in the definition.';
