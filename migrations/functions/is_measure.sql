-- What a worker has written may be any number there is. With what is none, too large or too small nothing can be reckoned without an
-- error, and one row must not take the answer from whoever asks about all of them: it is left out.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.is_measure(value double precision) returns boolean
language sql immutable parallel safe
as $$
    select value operator(pg_catalog.=) 0
           or value operator(pg_catalog.>=) double precision '1e-100' and value operator(pg_catalog.<=) double precision '1e12'
$$;
comment on function piton.is_measure(double precision) is 'For Piton itself: whether that is a count or a number of seconds that can be calculated with.';
