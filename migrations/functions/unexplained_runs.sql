-- The part of promise 3 that has to be asked of the runs themselves: every one is finished, or has a job, or has a dead
-- letter that someone will decide about. No index leads to the runs that are not finished, for the end of a run must touch
-- none; so this looks at every run from the first number to the last. With the offset each one's jobs are looked up, and not all
-- that there are put into a table first.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.unexplained_runs(first bigint default 0, last bigint default 9223372036854775807)
returns table (run uuid, what text)
language sql stable
as $$
    select r.uuid, case when r.state operator(pg_catalog.=) 'running' then 'the run is running, and has no job'
                        when r.state operator(pg_catalog.=) 'blocked' then 'the run is blocked, and no dead letter of it is pending'
                        else 'the run is in the state "' operator(pg_catalog.||) r.state operator(pg_catalog.||) '", which there is not'
                   end
    from piton.runs r
    where r.id operator(pg_catalog.>=) unexplained_runs.first and r.id operator(pg_catalog.<=) unexplained_runs.last
      and (r.state operator(pg_catalog.=) 'running'
              and not exists (select from piton.jobs j where j.run_id operator(pg_catalog.=) r.id offset 0)
           or r.state operator(pg_catalog.<>) all ('{running,blocked,done,failed,cancelled}'::pg_catalog.text[])
           or r.state operator(pg_catalog.=) 'blocked'
              and not exists (select from piton.dead_letters d
                              where d.run_id operator(pg_catalog.=) r.id and d.resolution operator(pg_catalog.=) 'pending'))
$$;
comment on function piton.unexplained_runs(bigint, bigint) is 'Runs that wait for nothing, among those with numbers (piton.runs.id) from the first to the last. Always empty.';
