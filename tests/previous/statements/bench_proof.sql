-- What a bench must have left, worked out from the definitions and the runs' inputs alone. It shares nothing with the
-- statements of the engine that it judges. A fanned-out stage has the item -1 (the record of its split) and as many
-- items as the run's input says under "items".
with stage as materialized (
    select v.id as version_id, (s.place - 1)::int2 as stage, s.definition -> 'for_each' is not null as fanned
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
),
live as materialized (
    select run_id, count(*) as jobs, min(stage) as stage from piton.jobs group by run_id
),
-- Runs that still wait may have what lies before their one live job, and nothing else.
due as (
    select r.id as run_id, s.stage, i.item
    from piton.runs r
    join stage s using (version_id)
    left join live l on l.run_id = r.id
    cross join lateral generate_series(-1, case when s.fanned then (r.input ->> 'items')::int4 - 1 else -1 end) as i (item)
    where r.state = 'done' or s.stage < l.stage
),
found as (
    select run_id, stage, item, count(*) as times from piton.checkpoints group by run_id, stage, item
),
compared as (
    select count(*) filter (where f.run_id is null) as missing,
           count(*) filter (where d.run_id is null) as unexpected,
           count(*) filter (where f.times > 1) as twice
    from due d full join found f on f.run_id = d.run_id and f.stage = d.stage and f.item = d.item
),
numbered as materialized (
    select run_id, stage, item, count(*) as attempts,
           min(attempt) <> 1 or max(attempt) <> count(*) or count(distinct attempt) <> count(*) as broken
    from (select run_id, stage, item, attempt from piton.checkpoints
          union all
          select run_id, stage, item, attempt from piton.attempts) as ended
    group by run_id, stage, item
),
run as (
    select count(*) as runs,
           count(*) filter (where r.state = 'done') as done,
           count(*) filter (where r.state = 'running') as waiting,
           count(*) filter (where r.state not in ('done', 'running')) as failed,
           count(*) filter (where r.state = 'running' and l.jobs is distinct from 1) as adrift
    from piton.runs r left join live l on l.run_id = r.id
),
job as (
    select count(*) filter (where r.state is distinct from 'running') as astray,
           count(*) filter (where j.attempt - (j.state = 'running')::int4 <> coalesce(n.attempts, 0)) as miscounted
    from piton.jobs j
    left join piton.runs r on r.id = j.run_id
    left join numbered n on n.run_id = j.run_id and n.stage = j.stage and n.item = j.item
)
select run.runs, run.done, run.waiting, run.failed, run.adrift,
       (select count(*) from piton.checkpoints) as checkpoints,
       compared.missing, compared.unexpected, compared.twice,
       (select count(*) from piton.checkpoints
        where digest <> sha256(convert_to(output::text, 'UTF8'))) as damaged,
       (select count(*) from numbered where broken) + job.miscounted as misnumbered,
       job.astray as jobs_astray,
       (select count(*) from piton.joins) as joins_left
from run, compared, job
