create or replace function piton.refit_batch(batch bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform piton.fit_input(v.input_keys, i.input, format('item %s', i.number))
    from piton.batches b
    join piton.workflow_versions v on v.id = b.version_id
    join piton.batch_items i on i.batch_id = b.id
    where b.id = refit_batch.batch and v.input_keys is not null and i.input is not null;
end
$$;
comment on function piton.refit_batch(bigint) is 'For Piton itself: holds the items of an open batch, whose version may be another one now, to what its file declares.';
