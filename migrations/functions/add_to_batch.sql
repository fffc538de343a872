-- May be sent again: items that are there are compared, not added.
create or replace function piton.add_to_batch(batch bigint, first integer, inputs json[]) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    open_one piton.batches;
    other integer;
    declared json;
begin
    if array_ndims(inputs) > 1 then
        raise exception 'the inputs must be a plain list, and this is an array of arrays'
            using errcode = 'array_subscript_error', hint = 'An input that is an array is written as JSON: array[''[1, 2]'', ''[3]'']::json[].';
    end if;
    if first is null or inputs is null or array_position(inputs::text[], null) is not null then
        raise exception 'the number of the first item and the inputs must not be null'
            using errcode = 'null_value_not_allowed', hint = 'An empty input is {}.';
    end if;
    select b.* into open_one from piton.batches b where b.id = add_to_batch.batch and b.state = 'open' for no key update;
    if not found then
        perform piton.refuse_batch(batch);
    end if;
    if first < 1 or first > open_one.items + 1 then
        raise exception 'the next item of batch "%" is number %, and % was given', open_one.name, open_one.items + 1, first
            using errcode = 'invalid_parameter_value', hint = 'Items are added in order, from 1.';
    end if;
    perform piton.check_input(input) from unnest(inputs) as input
    where octet_length(input::text) > 200 or position('\u' in input::text) > 0;
    select v.input_keys into declared from piton.workflow_versions v where v.id = open_one.version_id;
    if declared is not null then
        inputs := array(select piton.fit_input(declared, n.input, format('item %s', first + n.place - 1))
                        from unnest(inputs) with ordinality as n (input, place) order by n.place);
    end if;
    select i.number into other
    from unnest(inputs) with ordinality as n (input, place)
    join piton.batch_items i on i.batch_id = open_one.id and i.number = first + n.place - 1
    where n.place <= open_one.items - first + 1 and i.input::text <> n.input::text
    order by i.number limit 1;
    if found then
        raise exception 'item % of batch "%", which was begun before and not finished, is another one', other, open_one.name
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Give the same inputs to go on with it, or cancel it to begin anew.';
    end if;
    insert into piton.batch_items (batch_id, number, input)
    select open_one.id, first + n.place - 1, n.input
    from unnest(inputs) with ordinality as n (input, place)
    where first + n.place - 1 > open_one.items;
    update piton.batches b set items = greatest(b.items, first - 1 + cardinality(inputs)) where b.id = open_one.id;
end
$$;
comment on function piton.add_to_batch(bigint, integer, json[]) is 'Adds items to an open batch, the first of them with that number; those that are there already have to be the same.';
