-- Says what is wrong with a batch to which somebody wants to add items.
create or replace function piton.refuse_batch(batch bigint) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    known piton.batches;
begin
    select b.* into known from piton.batches b where b.id = refuse_batch.batch;
    if known.id is null then
        raise exception 'the batch was discarded meanwhile'
            using errcode = 'no_data_found', hint = 'Start it again.';
    end if;
    raise exception 'batch "%" was % already, with % items', known.name,
        case known.state when 'cancelled' then 'cancelled' else 'started' end, known.items
        using errcode = 'object_not_in_prerequisite_state', hint = 'Give a new batch another name.';
end
$$;
comment on function piton.refuse_batch(bigint) is 'For Piton itself: raises the error that says why no items can be added to a batch.';
