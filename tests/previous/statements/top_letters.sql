-- The newest dead letters that wait for a decision. Those are walked by their own index; what was decided is not looked at.
select d.id, r.uuid as run, w.name as workflow, v.definition -> 'stages' -> d.stage::int4 ->> 'name' as stage,
       nullif(d.item, -1) as item, d.class, left(d.message, 500) as message, d.attempt as attempts, d.dead_at
from (
    select p.* from piton.dead_letters p where p.resolution = 'pending' order by p.dead_at desc limit $1
) as d
join piton.runs r on r.id = d.run_id
join piton.workflows w on w.id = d.workflow_id
join piton.workflow_versions v on v.id = d.version_id
order by d.dead_at desc, d.id
