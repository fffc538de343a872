-- One batch of them, as clean_runs.sql does: locked first, and looked at again then.
create or replace function piton.clean_batches(plan uuid, most integer) returns integer
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    chosen bigint[];
    keys uuid[];
    due uuid[];
begin
    select array_agg(i.number), array_agg(i.batch) into chosen, keys
    from (select number, batch from piton.cleanup_items
          where cleanup_id = clean_batches.plan and what = 'batches' and deleted_at is null and error is null
          order by number limit most) as i;
    if keys is null then
        return 0;
    end if;
    perform from piton.batches b where b.uuid = any(keys) order by b.id for update;
    select coalesce(array_agg(d.batch), '{}') into due
    from unnest(keys) as k (batch)
    cross join lateral (
        select d.batch from piton.cleanup_due d where d.what = 'batches' and d.batch = k.batch and d.refused is null
        offset 0
    ) as d;
    update piton.cleanup_items i
    set deleted_at = case when i.batch = any(due) then now() end,
        error = case when i.batch <> all(due) then 'it is gone, or no longer due' end
    where i.cleanup_id = clean_batches.plan and i.number = any(chosen);
    delete from piton.batch_items i using piton.batches b where b.uuid = any(due) and i.batch_id = b.id;
    delete from piton.batches b where b.uuid = any(due);
    return cardinality(chosen);
end
$$;
comment on function piton.clean_batches(uuid, integer) is 'For Piton itself: deletes the next batches of a cleanup, with their items, and returns how many it dealt with; 0 when none is left.';
