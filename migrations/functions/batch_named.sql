-- By its name or by its id: no name looks like an id.
create or replace function piton.batch_named(batch text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    found_id bigint;
begin
    if batch ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
        select b.id into found_id from piton.batches b where b.uuid = batch_named.batch::uuid;
    else
        select b.id into found_id from piton.batches b where b.name = batch_named.batch;
    end if;
    if found_id is null then
        raise exception 'there is no batch "%"', piton.quoted(batch)
            using errcode = 'no_data_found',
                  hint = 'The newest: select name, workflow, state from piton.batches_overview order by batch desc limit 20.';
    end if;
    return found_id;
end
$$;
comment on function piton.batch_named(text) is 'For Piton itself: the key of a batch by its name or its id; raises where there is none.';
