-- For rows that a process outside holds by their number from one statement to the next. Where commits are lost, a sequence gives
-- the same numbers out again; 62 random bits come once.
create or replace function piton.new_key() returns bigint
language sql volatile parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807
$$;
comment on function piton.new_key() is 'For Piton itself: a positive number that no other row has, and that none gets again after a failover or a restore.';
