-- Called with the run's row locked. A race is open while the stage that begins has its join, which waits for the first ones. It is decided
-- when the join is gone, or here: when so many are skipped or given up that the others are not enough. Then that stage begins to find that
-- it is skipped.
--
-- Who has not ended by then is stopped, with the stages that lead to nothing else. What begins later, behind a stage that goes on,
-- is not: it finds by itself that another was first.
create or replace function piton.settle_race(
    run bigint, stage smallint, first integer, needs smallint[], worker_id bigint
) returns table (woke boolean, stopped smallint[], jobs bigint[])
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    origin record;
    reason text := 'another was first';
    losers smallint[];
    winners text;
begin
    woke := false;
    stopped := '{}';
    jobs := '{}';
    select r.version_id, v.workflow_id, (-r.priority)::smallint as rank into origin
    from piton.runs r join piton.workflow_versions v on v.id = r.version_id
    where r.id = settle_race.run;
    if exists (select from piton.joins j where j.run_id = settle_race.run and j.stage = settle_race.stage) then
        if cardinality(needs) - (select count(*) from piton.checkpoints k
                                 where k.run_id = settle_race.run and k.stage = any(needs) and k.item = -1
                                   and k.skipped is not null) >= first then
            return next;
            return;
        end if;
        delete from piton.joins j where j.run_id = settle_race.run and j.stage = settle_race.stage;
        insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
        values (settle_race.run, origin.workflow_id, origin.version_id, settle_race.stage, 'ready', origin.rank);
        perform piton.wake_workers();
        woke := true;
        reason := 'too few of those that race with it are left';
    end if;
    losers := array(select n from unnest(needs) as n
                    where not exists (select from piton.checkpoints k
                                      where k.run_id = settle_race.run and k.stage = n and k.item = -1)
                    order by 1);
    if losers <> '{}' then
        if not woke then
            select string_agg(format('`%s`', s.name), ', ' order by s.stage) into winners
            from piton.stages_of(origin.version_id) s
            join piton.checkpoints k on k.run_id = settle_race.run and k.stage = s.stage and k.item = -1
            where s.stage = any(settle_race.needs) and k.skipped is null;
            reason := reason || ': ' || winners;
        end if;
        select t.stopped, t.jobs into stopped, jobs
        from piton.stop_stages(run, origin.version_id, losers, stage, reason, worker_id) t;
    end if;
    return next;
end
$$;
comment on function piton.settle_race(bigint, smallint, integer, smallint[], bigint) is 'For Piton itself: if the race for a stage is decided, stops the others, in a run whose row is locked. Says whether a stage can begin now, which were stopped, and how many jobs of each.';
