-- Those that have waited longest first, and not all in one transaction, if there are a great many.
create or replace function piton.feed_batches(most integer) returns boolean
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    hungry bigint;
    fed integer;
    again boolean := false;
begin
    for hungry in
        select b.id from piton.batches b
        where b.state = 'sealed' and exists (select from piton.open_queues(array[b.workflow_id]))
        order by b.feed_at
        limit 20
    loop
        fed := piton.feed_batch(hungry, most);
        again := again or fed is null or fed = most;
    end loop;
    return again;
end
$$;
comment on function piton.feed_batches(integer) is 'For Piton itself: starts more runs of the batches that have room, up to a maximum for each. Returns whether there is more to do at once.';
