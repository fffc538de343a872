create or replace function piton.artifacts_deleted(plan uuid, numbers bigint[], errors text[]) returns void
language sql
security definer set search_path = pg_catalog, pg_temp
as $$
    with ended as (
        update piton.cleanup_items i
        set deleted_at = case when e.error is null then now() end, error = e.error
        from unnest(artifacts_deleted.numbers, artifacts_deleted.errors) as e (number, error)
        where i.cleanup_id = artifacts_deleted.plan and i.number = any(array[e.number])
        returning i.artifact, e.error
    )
    delete from piton.artifacts a using ended e where a.id = any(array[e.artifact]) and e.error is null
$$;
comment on function piton.artifacts_deleted(uuid, bigint[], text[]) is 'For Piton itself: the files of these items are gone, and their rows go; but of those with an error.';
