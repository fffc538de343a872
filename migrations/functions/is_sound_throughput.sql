-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.is_sound_throughput(counted piton.throughput) returns boolean
language sql stable parallel safe
as $$
    select counted.since operator(pg_catalog.<=) counted.told_at
           and counted.told_at operator(pg_catalog.<=) (pg_catalog.now() operator(pg_catalog.+) interval '1 minute')
           -- None of them is below 0.
           and greatest(counted.done, counted.given_up, counted.failed, counted.attempts, counted.begun)
               operator(pg_catalog.<=) 1000000000000
           and piton.is_measure(counted.seconds) and piton.is_measure(counted.waited)
$$;
comment on function piton.is_sound_throughput(piton.throughput) is 'For Piton itself: whether all values of that row can be calculated with.';
