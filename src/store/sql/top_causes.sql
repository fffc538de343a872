-- Causes of the dead letters that wait for a decision, the one with the most of them first.
with cause as (
    select d.workflow_id, d.version_id, d.stage, d.class, d.fingerprint, count(*) as letters, count(distinct d.run_id) as runs,
           min(d.dead_at) as first_at, max(d.dead_at) as last_at, (array_agg(d.id order by d.dead_at desc))[1] as newest
    from piton.dead_letters d
    where d.resolution = 'pending'
    group by d.workflow_id, d.version_id, d.stage, d.class, d.fingerprint
),
named as (
    select w.name as workflow, coalesce(v.stage_names[c.stage + 1], '#' || c.stage) as stage,
           c.class, c.fingerprint, sum(c.letters)::int8 as letters, sum(c.runs)::int8 as runs, min(c.first_at) as first_at,
           max(c.last_at) as last_at, (array_agg(c.newest order by c.last_at desc))[1] as newest
    from cause c
    join piton.workflows w on w.id = c.workflow_id
    join piton.workflow_versions v on v.id = c.version_id
    group by 1, 2, 3, 4
    order by letters desc, workflow, stage, fingerprint
    limit $1
)
select n.workflow, n.stage, n.class, n.fingerprint, n.letters, n.runs, n.first_at, n.last_at, left(d.message, 4000) as example
from named n
join piton.dead_letters d on d.id = n.newest
order by n.letters desc, n.workflow, n.stage, n.fingerprint
