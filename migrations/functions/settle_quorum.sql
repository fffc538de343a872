-- Called with the run's row locked: an item that is just being committed has arrived before, or waits and finds its job gone.
-- Enough are `at_least` items, or so many millionths of all. One that was skipped by its condition was not lost; one that was given up
-- was, and one that somebody must decide about goes on waiting for that.
create or replace function piton.settle_quorum(
    run bigint, stage smallint, at_least bigint, millionths bigint, missing text, worker_id bigint
) returns table (jobs bigint, woke boolean, ends_run boolean)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    items bigint;
    done bigint;
    reason text;
begin
    jobs := 0;
    woke := false;
    ends_run := false;
    select case when k.output::text ~ '^[0-9]{1,9}$' then (k.output::text)::int8 end into items
    from piton.checkpoints k
    where k.run_id = settle_quorum.run and k.stage = settle_quorum.stage and k.item = -1;
    select count(*) into done
    from piton.checkpoints k
    where k.run_id = settle_quorum.run and k.stage = settle_quorum.stage and k.item >= 0;
    done := done - (select count(distinct d.item) from piton.dead_letters d
                    where d.run_id = settle_quorum.run and d.stage = settle_quorum.stage and d.item >= 0
                      and not d.done_again and d.resolution in ('tolerated', 'dismissed'));
    at_least := coalesce(at_least, (items * millionths + 999999) / 1000000);
    if items is null or done < at_least then
        return next;
        return;
    end if;
    perform piton.cancel_jobs(run, array[stage]);
    reason := format('enough items are done: %s of %s', at_least, items);
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output, skipped)
    select settle_quorum.run, settle_quorum.stage, i,
           coalesce((select max(a.attempt) from piton.attempts a
                     where a.run_id = settle_quorum.run and a.stage = settle_quorum.stage and a.item = i), 0) + 1,
           settle_quorum.worker_id, now(), octet_length(missing), sha256(convert_to('skipped: ' || reason, 'UTF8')),
           missing::json, reason
    from generate_series(0, items::int4 - 1) as i
    where not exists (select from piton.checkpoints k
                      where k.run_id = settle_quorum.run and k.stage = settle_quorum.stage and k.item = i)
      and not exists (select from piton.dead_letters d
                      where d.run_id = settle_quorum.run and d.stage = settle_quorum.stage and d.item = i
                        and d.resolution = 'pending');
    get diagnostics jobs = row_count;
    if jobs > 0 then
        select a.woke, a.ends_run into woke, ends_run from piton.arrive(run, stage, jobs) a;
    end if;
    return next;
end
$$;
comment on function piton.settle_quorum(bigint, smallint, bigint, bigint, text, bigint) is 'For Piton itself: if enough items of a stage are done, cancels the others, in a run whose row is locked. Says how many they were, whether a stage can begin now, and whether the run is done.';
