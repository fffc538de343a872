-- The 48 bits of milliseconds take the place of as many random ones, and two bits turn version 4 into version 7.
-- Of Postgres' own functions only version 18 has uuidv7().
create or replace function piton.new_id() returns uuid
language sql volatile parallel safe
as $$
    select encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send(floor(date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;
comment on function piton.new_id() is 'A new UUIDv7; one made later sorts after it, to the millisecond.';
