create or replace function piton.start_batch(
    name text, workflow text, inputs json[], cap integer default null, priority integer default 0,
    actor text default session_user
) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint := piton.open_batch(name, workflow, cap, priority, actor);
begin
    perform piton.add_to_batch(key, 1, inputs);
    perform piton.seal_batch(key, cardinality(inputs));
    while piton.feed_batch(key, 10000) > 0 loop
    end loop;
    return (select b.uuid from piton.batches b where b.id = key);
end
$$;
comment on function piton.start_batch(text, text, json[], integer, integer, text) is 'Starts a run for each input, under one name, and returns the batch''s id. With a cap, at most that many are unfinished at a time, and workers start more as others end. They start when the caller''s transaction commits; all of them or none. A name is used once.';
