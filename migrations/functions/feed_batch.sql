-- One at a time: whoever has the batch's row sees every place that is taken. Costs the cap and the runs that begin, however
-- many runs there are; the settings keep it so with whatever statistics, in whatever session.
create or replace function piton.feed_batch(batch bigint, most integer) returns integer
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    fed piton.batches;
    plan record;
    room integer := most;
    ids uuid[];
begin
    select b.* into fed from piton.batches b
    where b.id = feed_batch.batch and b.state = 'sealed'
    for no key update skip locked;
    if not found then
        return case when exists (select from piton.batches b where b.id = feed_batch.batch and b.state = 'sealed')
                    then null else 0 end;
    end if;
    if not exists (select from piton.open_queues(array[fed.workflow_id])) then
        return 0;
    end if;
    if fed.cap is not null then
        delete from piton.batch_places p
        where p.batch_id = fed.id
          and not exists (select from piton.runs r where r.id = any(array[p.run_id]) and r.state in ('running', 'blocked'));
        room := least(room, fed.cap - (select count(*) from piton.batch_places p where p.batch_id = fed.id));
    end if;
    room := greatest(least(room, fed.items - fed.started), 0);
    if room > 0 then
        select v.start_stages, v.join_stages, v.join_missing into plan
        from piton.workflow_versions v where v.id = fed.version_id;
        -- By its place in an array, and not by a join, which can be planned badly.
        ids := array(select piton.new_id() from generate_series(1, room));
        with run as (
            insert into piton.runs (uuid, version_id, priority, input)
            select ids[i.number - fed.started], fed.version_id, fed.priority, i.input
            from piton.batch_items i
            where i.batch_id = fed.id and i.number > fed.started and i.number <= fed.started + room
            order by i.number
            returning id
        ),
        job as (
            insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
            select run.id, fed.workflow_id, fed.version_id, stage, 'ready', -fed.priority
            from run cross join unnest(plan.start_stages) as stage
        ),
        joined as (
            insert into piton.joins (run_id, stage, missing)
            select run.id, j.stage, j.missing from run cross join unnest(plan.join_stages, plan.join_missing) as j (stage, missing)
        )
        insert into piton.batch_places (batch_id, run_id) select fed.id, run.id from run where fed.cap is not null;
        update piton.batch_items i set run = ids[i.number - fed.started], input = null
        where i.batch_id = fed.id and i.number > fed.started and i.number <= fed.started + room;
        perform piton.wake_workers();
    end if;
    update piton.batches b
    set started = b.started + room, feed_at = now() + interval '2 seconds',
        state = case when b.started + room = b.items then 'started' else b.state end
    where b.id = fed.id;
    if fed.started + room = fed.items then
        delete from piton.batch_places p where p.batch_id = fed.id;
    end if;
    return room;
end
$$;
comment on function piton.feed_batch(bigint, integer) is 'For Piton itself: starts runs of a sealed batch, as many as its cap has room for, up to a maximum. Returns how many; null if another session is doing it.';
