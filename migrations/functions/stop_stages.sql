-- Called with the run's row locked. Stops those stages of a run, and those before them that lead to nothing else; `behind` is the stage that
-- does without them. A stage that is stopped has all that it needs, or that is stopped with it: so that nothing arrives at it any more.
create or replace function piton.stop_stages(
    run bigint, version_id bigint, stages smallint[], behind smallint, reason text, worker_id bigint
) returns table (stopped smallint[], jobs bigint[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    finished smallint[];
    more smallint[];
begin
    finished := array(select a.stage from piton.arrivals_missing(run, version_id, '{}') a where a.missing = 0);
    stopped := stages;
    loop
        more := array(select s.stage from piton.stages_of(version_id) s
                      where s.stage <> all(stopped) and s.stage <> all(finished)
                        and exists (select from piton.stages_of(version_id) o where s.stage = any(o.needs))
                        and not exists (select from piton.stages_of(version_id) o
                                        where s.stage = any(o.needs) and o.stage <> all(stopped)));
        exit when more = '{}';
        stopped := stopped || more;
    end loop;
    loop
        more := array(select s.stage from piton.stages_of(version_id) s
                      where s.stage = any(stopped)
                        and (exists (select from unnest(s.needs) as n where n <> all(stopped) and n <> all(finished))
                             or exists (select from piton.stages_of(version_id) o
                                        where s.stage = any(o.needs) and o.stage <> all(stopped)
                                          and o.stage <> stop_stages.behind)));
        exit when more = '{}';
        stopped := array(select s from unnest(stopped) as s where s <> all(more));
    end loop;
    stopped := array(select s from unnest(stopped) as s order by 1);
    perform piton.cancel_jobs(run, stopped);
    delete from piton.joins j where j.run_id = stop_stages.run and j.stage = any(stopped);
    with place as (
        -- A stage that was split keeps the record of that, and its items are what is stopped.
        select s.stage, i as item, case when s.fans_out and i = -1 then '0' else 'null' end as output
        from piton.stages_of(version_id) s
        left join piton.checkpoints k on k.run_id = stop_stages.run and k.stage = s.stage and k.item = -1
        cross join lateral generate_series(
            -1, case when s.fans_out and k.output::text ~ '^[0-9]{1,9}$' then (k.output::text)::int4 - 1 else -1 end) as i
        where s.stage = any(stopped)
    ),
    recorded as (
        insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output, skipped)
        select stop_stages.run, p.stage, p.item,
               coalesce((select max(a.attempt) from piton.attempts a
                         where a.run_id = stop_stages.run and a.stage = p.stage and a.item = p.item), 0) + 1,
               stop_stages.worker_id, now(), octet_length(p.output), sha256(convert_to('skipped: ' || reason, 'UTF8')),
               p.output::json, reason
        from place p
        where not exists (select from piton.checkpoints k
                          where k.run_id = stop_stages.run and k.stage = p.stage and k.item = p.item)
        returning stage
    )
    select array_agg((select count(*) from recorded r where r.stage = s) order by s) into jobs from unnest(stopped) as s;
    jobs := coalesce(jobs, '{}');
    -- Nobody need decide about what nobody needs any more.
    update piton.dead_letters d
    set resolution = 'tolerated', resolved_at = now(), resolved_by = 'its workflow'
    where d.run_id = stop_stages.run and d.stage = any(stopped) and d.resolution = 'pending';
    update piton.runs r set state = 'running'
    where r.id = stop_stages.run and r.state = 'blocked'
      and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending');
    return next;
end
$$;
comment on function piton.stop_stages(bigint, bigint, smallint[], smallint, text, bigint) is 'For Piton itself: ends stages of a run whose row is locked as skipped, with those that lead to them alone. Says which, and how many jobs of each.';
