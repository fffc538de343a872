create or replace function piton.pin_batch(batch bigint, version bigint) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update piton.batches b set version_id = pin_batch.version
    where b.id = pin_batch.batch and b.state = 'open'
      and exists (select from piton.workflow_versions v where v.id = pin_batch.version and v.workflow_id = b.workflow_id);
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    perform piton.refit_batch(batch);
end
$$;
comment on function piton.pin_batch(bigint, bigint) is 'For Piton itself: an open batch starts runs of that version of its workflow, which may be another one than the current.';
