-- Promise 3, as a question: every run is finished, or has a job, or has a dead letter that someone will decide about.
-- One statement, one snapshot: every change of a run commits as a whole, so that nothing half done is ever seen.
create or replace view piton.unexplained_jobs as
with letters as materialized (
    select distinct d.run_id from piton.dead_letters d where d.resolution = 'pending'
)
select r.uuid as run, null::text as stage, null::int4 as item, 'the run is running, and has no job' as what
from piton.runs r
where r.state = 'running' and not exists (select from piton.jobs j where j.run_id = r.id)
union all
select r.uuid, null, null, 'the run is blocked, and no dead letter of it is pending'
from piton.runs r
where r.state = 'blocked' and not exists (select from letters l where l.run_id = r.id)
union all
select r.uuid, s.definition ->> 'name', nullif(d.item, -1), coalesce('the run is ' || r.state, 'there is no such run')
       || ', and a dead letter is pending'
from piton.dead_letters d
left join piton.runs r on r.id = d.run_id
left join piton.workflow_versions v on v.id = d.version_id
cross join lateral (select v.definition -> 'stages' -> d.stage::int4 as definition) as s
where d.resolution = 'pending' and r.state is distinct from 'blocked'
union all
select r.uuid, s.definition ->> 'name', nullif(j.item, -1),
       case when r.id is null then 'the job belongs to no run'
            when r.state in ('done', 'failed') then 'the run is ' || r.state || ', and has a job'
            when k.id is null then 'the job is running on a worker that is not there'
            else 'the job is running on a worker that has ended, and counts as cleared' end
from piton.jobs j
left join piton.runs r on r.id = j.run_id
left join piton.workers k on k.id = j.worker_id
left join piton.workflow_versions v on v.id = j.version_id
cross join lateral (select v.definition -> 'stages' -> j.stage::int4 as definition) as s
where r.id is null or r.state in ('done', 'failed') or j.state = 'running' and (k.id is null or k.cleared)
union all
select r.uuid, v.definition -> 'stages' -> nullif(o.stage, -1)::int4 ->> 'name', null,
       'the run is ' || r.state || ', and ' || case o.stage when -1 then 'its end' else 'the stage' end
       || ' still waits for branches'
from piton.joins o
join piton.runs r on r.id = o.run_id
join piton.workflow_versions v on v.id = r.version_id
where r.state in ('done', 'failed');
comment on view piton.unexplained_jobs is 'Always empty. What is in it waits for nothing that is named, and would wait for ever: a row is a defect of Piton, or of what somebody changed by hand.';
comment on column piton.unexplained_jobs.run is 'Id of the run; empty where there is none.';
comment on column piton.unexplained_jobs.stage is 'Name of the stage, where it is about one.';
comment on column piton.unexplained_jobs.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.unexplained_jobs.what is 'What does not fit.';
