-- Failures of the last hour by class. No index leads to all of them, and none is wanted: each failure would have to keep it.
-- So they are those of so many runs of each kind that is of interest now, and of so many attempts of each.
with run as (
    (select r.id from piton.runs r order by r.id desc limit $1)
    union
    (select j.run_id from piton.jobs j where j.state = 'running' limit $1)
    union
    (select j.run_id from piton.jobs j where j.state = 'scheduled' order by j.due_at limit $1)
    union
    (select d.run_id from piton.dead_letters d where d.resolution = 'pending' order by d.run_id desc limit $1)
)
select a.class, count(*) as failures, max(a.ended_at) as last_at
from run
cross join lateral (
    select p.class, p.ended_at from piton.attempts p
    where p.run_id = run.id
    order by p.stage desc, p.item desc, p.attempt desc
    limit $1
) as a
where a.class is not null and a.ended_at > now() - interval '1 hour'
group by a.class
order by failures desc, a.class
