-- The part of promise 3 that can be asked from what is live: every job, join, wait and pending dead letter fits its run.
-- One statement, one snapshot: every change of a run commits as a whole, so that nothing half done is ever seen.
create or replace view piton.unexplained_live as
select r.uuid as run, s.definition ->> 'name' as stage, nullif(d.item, -1) as item,
       coalesce('the run is ' || r.state, 'there is no such run') || ', and a dead letter is pending' as what,
       d.run_id
from piton.dead_letters d
left join piton.runs r on r.id = d.run_id
left join piton.workflow_versions v on v.id = d.version_id
cross join lateral (select v.definition -> 'stages' -> d.stage::int4 as definition) as s
where d.resolution = 'pending' and r.state is distinct from 'blocked'
union all
select r.uuid, s.definition ->> 'name', nullif(j.item, -1),
       case when r.id is null then 'the job belongs to no run'
            when r.state in ('done', 'failed', 'cancelled') then 'the run is ' || r.state || ', and has a job'
            when j.attempt = 2147483647 then 'the job is never claimed: no number is left for another attempt'
            when j.attempt < 0 or j.stage < 0 or j.item < -1 then 'the job is never claimed: no attempt of it could be on record'
            when v.id is null or v.workflow_id <> j.workflow_id then 'the job is of a workflow version that is not there'
            when j.due_at not between '1970-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00'
                then 'the job is due at ' || j.due_at
            when j.state = 'waiting' then 'the job waits for nothing: no wait of it is open'
            when j.state = 'limited' then 'the job waits for a limit that is not there'
            when k.id is null then 'the job is running on a worker that is not there'
            else 'the job is running on a worker that has ended, and counts as cleared' end,
       j.run_id
from piton.jobs j
left join piton.runs r on r.id = j.run_id
left join piton.workers k on k.id = j.worker_id
left join piton.workflow_versions v on v.id = j.version_id
cross join lateral (select v.definition -> 'stages' -> j.stage::int4 as definition) as s
where r.id is null or r.state in ('done', 'failed', 'cancelled') or j.state = 'running' and (k.id is null or k.cleared)
   or j.state = 'limited' and not exists (select from piton.stage_limits l where l.id = j.limit_id)
   or j.state = 'waiting' and not exists (
          select from piton.waits w
          where w.run_id = j.run_id and w.stage = j.stage and w.item = j.item and w.job_id = j.id and w.outcome is null)
   or not piton.can_begin(j.attempt, j.stage, j.item) and j.state <> 'running' or v.id is null or v.workflow_id <> j.workflow_id
   or j.due_at not between '1970-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00'
union all
select r.uuid, v.definition -> 'stages' -> nullif(o.stage, -1)::int4 ->> 'name', null,
       'the run is ' || r.state || ', and ' || case o.stage when -1 then 'its end' else 'the stage' end
       || ' still waits for branches',
       o.run_id
from piton.joins o
join piton.runs r on r.id = o.run_id
join piton.workflow_versions v on v.id = r.version_id
where r.state in ('done', 'failed', 'cancelled')
union all
select r.uuid, v.stage_names[w.stage + 1], nullif(w.item, -1), 'a wait is open, and its job does not wait', w.run_id
from piton.waits w
left join piton.runs r on r.id = w.run_id
left join piton.workflow_versions v on v.id = r.version_id
where w.outcome is null
  and not exists (
      select from piton.jobs j
      where j.run_id = w.run_id and j.id = w.job_id and j.stage = w.stage and j.item = w.item and j.state = 'waiting')
union all
select r.uuid, v.stage_names[w.stage + 1], nullif(w.item, -1),
       case when w.child_id is null then 'a run is waited for, and none was started'
            when c.id is null then 'the run that is waited for is not there'
            else 'the run that is waited for is ' || c.state end,
       w.run_id
from piton.waits w
join piton.runs r on r.id = w.run_id
join piton.workflow_versions v on v.id = r.version_id
left join piton.runs c on c.id = w.child_id
where w.kind = 'run' and w.ended_at is null and (c.id is null or c.state in ('done', 'failed', 'cancelled'));
comment on view piton.unexplained_live is 'The part of piton.unexplained_jobs that starts from jobs, joins, waits and dead letters, and never reads finished runs.';
comment on column piton.unexplained_live.run is 'Id of the run; empty where there is none.';
comment on column piton.unexplained_live.stage is 'Name of the stage, where it is about one.';
comment on column piton.unexplained_live.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.unexplained_live.what is 'What does not fit.';
comment on column piton.unexplained_live.run_id is 'Number of the run.';
