create or replace function piton.seal_batch(batch bigint, items integer) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    open_one piton.batches;
begin
    select b.* into open_one from piton.batches b where b.id = seal_batch.batch and b.state = 'open' for no key update;
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    if open_one.items <> items then
        raise exception 'batch "%", which was begun before and not finished, has % items, and % were given',
            open_one.name, open_one.items, items
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Give the same inputs to go on with it, or cancel it to begin anew.';
    end if;
    if items = 0 then
        raise exception 'a batch has at least one item, and there is none'
            using errcode = 'invalid_parameter_value', hint = 'An empty input is {}.';
    end if;
    update piton.batches b set state = 'sealed', sealed_at = now(), feed_at = now() where b.id = open_one.id;
end
$$;
comment on function piton.seal_batch(bigint, integer) is 'Closes a batch that has that many items: its runs begin from now on.';
