-- Runs that are not finished, by state: told by their jobs and dead letters, for no index leads to them.
with letter as materialized (
    select distinct d.run_id from piton.dead_letters d where d.resolution = 'pending'
)
select now() as at,
       (select count(*) from (select distinct j.run_id from piton.jobs j) as live
        where live.run_id not in (select run_id from letter)) as running,
       (select count(*) from letter) as blocked
