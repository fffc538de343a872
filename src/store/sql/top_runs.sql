-- Runs that are not finished, by state: told by their jobs and dead letters, for no index leads to them. One that was put off, and of
-- which nothing has begun, does not run (piton.runs_overview says so, too).
with letter as materialized (
    select distinct d.run_id from piton.dead_letters d where d.resolution = 'pending'
),
live as materialized (
    select j.run_id, bool_and(j.state = 'scheduled' and j.attempt = 0) and min(j.due_at) > now() as is_put_off
    from piton.jobs j
    group by j.run_id
)
select now() as at, count(*) filter (where not l.is_put_off) as running, count(*) filter (where l.is_put_off) as scheduled,
       (select count(*) from letter) as blocked
from live l
where l.run_id not in (select run_id from letter)
