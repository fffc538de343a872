-- As commit.sql does it for the ends that it lands. Called with the run's row locked, so that nothing else arrives.
create or replace function piton.arrive(run bigint, stage smallint, arrivals bigint)
returns table (woke boolean, ends_run boolean)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    origin record;
    target smallint;
begin
    woke := false;
    ends_run := false;
    select r.version_id, v.workflow_id, (-r.priority)::smallint as rank into origin
    from piton.runs r join piton.workflow_versions v on v.id = r.version_id
    where r.id = arrive.run;
    for target in
        select s.stage from piton.stages_of(origin.version_id) s where arrive.stage = any(s.needs)
        union all
        select -1::smallint
        where not exists (select from piton.stages_of(origin.version_id) s where arrive.stage = any(s.needs))
        order by 1
    loop
        update piton.joins j set missing = j.missing - arrive.arrivals::int4
        where j.run_id = arrive.run and j.stage = target and j.missing > arrive.arrivals;
        continue when found;
        delete from piton.joins j where j.run_id = arrive.run and j.stage = target;
        continue when not found;
        if target = -1 then
            update piton.runs r set state = 'done', finished_at = now() where r.id = arrive.run and r.state = 'running';
            ends_run := found;
        else
            insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
            values (arrive.run, origin.workflow_id, origin.version_id, target, 'ready', origin.rank);
            woke := true;
        end if;
    end loop;
    if woke then
        perform piton.wake_workers();
    end if;
    return next;
end
$$;
comment on function piton.arrive(bigint, smallint, bigint) is 'For Piton itself: branches of a stage end, so many at once, in a run whose row is locked. Says whether a stage can begin now, and whether the run is done.';
