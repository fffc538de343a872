-- The newest dead letters of one cause that wait for a decision. What was decided is not looked at.
select d.id, r.uuid as run, nullif(d.item, -1) as item, left(d.message, 4000) as message, d.attempt as attempts, d.dead_at
from (
    select p.*
    from piton.dead_letters p
    join piton.workflow_versions v on v.id = p.version_id
    where p.resolution = 'pending' and p.workflow_id = (select w.id from piton.workflows w where w.name = $2) and p.fingerprint = $4
      and coalesce(v.stage_names[p.stage + 1], '#' || p.stage) = $3
    order by p.dead_at desc
    limit $1
) as d
join piton.runs r on r.id = d.run_id
order by d.dead_at desc, d.id
