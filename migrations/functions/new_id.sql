-- The 48 bits of milliseconds take the place of as many random ones, and two bits turn version 4 into version 7.
-- Of Postgres' own functions only version 18 has uuidv7().
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.new_id() returns uuid
language sql volatile parallel safe
as $$
    select pg_catalog.encode(
        pg_catalog.set_bit(pg_catalog.set_bit(
            pg_catalog."overlay"(
                pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
                pg_catalog."substring"(pg_catalog.int8send(pg_catalog.floor(
                    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) operator(pg_catalog.*) 1000)::bigint), 3),
                1, 6),
            52, 1), 53, 1),
        'hex')::pg_catalog.uuid
$$;
comment on function piton.new_id() is 'A new UUIDv7; one made later sorts after it, to the millisecond.';
