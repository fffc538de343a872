create or replace function piton.cancel_batch(batch text, reason text, actor text default session_user) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint := piton.stop_batch(batch, reason, actor);
    items integer := (select b.items from piton.batches b where b.id = key);
begin
    return (select count(*) from piton.cancel_batch_runs(key, 1, items, actor));
end
$$;
comment on function piton.cancel_batch(text, text, text) is 'Ends a batch, by its name or id, for a reason: items that have not begun never do, runs that are not finished are cancelled. Returns how many those were. One that is still open is discarded.';
