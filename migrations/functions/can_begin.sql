-- Whether an attempt of a job with these numbers can begin, and be on record: of other rows, which no Piton wrote,
-- piton.unexplained_jobs tells. Put into the statement that calls it, which a pinned search_path would prevent: so each name in
-- it says its schema.
create or replace function piton.can_begin(attempt integer, stage smallint, item integer) returns boolean
language sql immutable parallel safe
as $$
    select attempt operator(pg_catalog.>=) 0 and attempt operator(pg_catalog.<) 2147483647
           and stage operator(pg_catalog.>=) 0::pg_catalog.int2 and item operator(pg_catalog.>=) (-1)
$$;
comment on function piton.can_begin(integer, smallint, integer) is 'For Piton itself: whether an attempt of such a job can begin.';
