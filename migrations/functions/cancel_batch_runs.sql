-- The runs' rows first, in order, as whoever decides about several runs does.
create or replace function piton.cancel_batch_runs(batch bigint, first integer, last integer, actor text) returns setof uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    reason text := (select 'batch ' || b.name || ' was cancelled: ' || b.cancel_reason
                    from piton.batches b where b.id = cancel_batch_runs.batch);
    runs uuid[];
    live uuid;
begin
    select array_agg(locked.uuid) into runs
    from (
        select r.uuid
        from piton.batch_items i join piton.runs r on r.uuid = i.run
        where i.batch_id = cancel_batch_runs.batch and i.number between first and last and r.state in ('running', 'blocked')
        order by r.id
        for update of r
    ) as locked;
    foreach live in array coalesce(runs, '{}') loop
        perform piton.cancel_run(live, reason, actor);
        return next live;
    end loop;
end
$$;
comment on function piton.cancel_batch_runs(bigint, integer, integer, text) is 'For Piton itself: cancels the unfinished runs of these items of a cancelled batch, and returns them.';
