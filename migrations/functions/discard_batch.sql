create or replace function piton.discard_batch(batch bigint) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    delete from piton.batches b where b.id = discard_batch.batch and b.state = 'open';
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    delete from piton.batch_items i where i.batch_id = discard_batch.batch;
end
$$;
comment on function piton.discard_batch(bigint) is 'Removes a batch that is still open: nothing of it has begun, and its name is free again.';
