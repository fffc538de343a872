-- No table of its own: what recovery did is in the attempts that it ended.
create or replace view piton.recoveries as
select a.ended_at as at, r.uuid as run, w.name as workflow, coalesce(v.definition -> 'stages' -> a.stage::int4 ->> 'name', '#' || a.stage) as stage,
       nullif(a.item, -1) as item, a.attempt,
       case when exists (select from piton.dead_letters d
                         where d.run_id = a.run_id and d.stage = a.stage and d.item = a.item and d.attempt = a.attempt)
            then 'dead_lettered'
            when exists (select from piton.checkpoints k where k.run_id = a.run_id and k.finished_at <= a.ended_at)
            then 'resumed'
            else 'restarted' end as action,
       a.message as cause, gone.name as worker, finder.name as recovered_by
from piton.attempts a
join piton.runs r on r.id = a.run_id
join piton.workflow_versions v on v.id = r.version_id
join piton.workflows w on w.id = v.workflow_id
left join piton.workers gone on gone.id = a.worker_id
-- One that drained ended itself; who freed what it left is not on record.
left join piton.workers finder on finder.id = gone.ended_by and finder.id <> gone.id
where a.outcome = 'lost';
comment on view piton.recoveries is 'What recovery did: a row for each job that it took from a worker that was gone.';
comment on column piton.recoveries.at is 'When it was taken.';
comment on column piton.recoveries.run is 'Id of its run.';
comment on column piton.recoveries.workflow is 'Name of the workflow.';
comment on column piton.recoveries.stage is 'Name of the stage.';
comment on column piton.recoveries.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.recoveries.attempt is 'Number of the attempt that was lost.';
comment on column piton.recoveries.action is 'resumed: its run goes on behind the checkpoints it had; restarted: it had none; dead_lettered: the job had killed too many processes.';
comment on column piton.recoveries.cause is 'Why the attempt counts as lost.';
comment on column piton.recoveries.worker is 'Name of the worker that was gone.';
comment on column piton.recoveries.recovered_by is 'Name of the worker that found it gone, or took its name; empty where recovery was asked for by hand.';
