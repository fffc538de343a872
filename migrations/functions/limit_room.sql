-- "between" keeps the count in the limit's own index: by an equality the planner may take the one of all that runs.
--
-- By a rate, attempts begin at least `spacing` apart, but for a burst that is due within a twentieth of a second, so that claims
-- need not come one by one. With the burst taken off, no stretch of time of the period's length has more than the rate says.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.limit_room(limit_id bigint, at timestamptz)
returns table (room integer, running integer, wait interval, burst integer, spacing interval)
language sql stable
as $$
    select coalesce(least(
               case when s.concurrency is not null then greatest(s.concurrency operator(pg_catalog.-) busy.attempts, 0) end,
               case when s.next_at operator(pg_catalog.>) limit_room.at then 0
                    when s.rate_attempts is not null
                    then least(most.burst, 1 operator(pg_catalog.+) pg_catalog.floor(
                             pg_catalog.date_part('epoch', limit_room.at operator(pg_catalog.-) s.next_at)
                             operator(pg_catalog./) pg_catalog.date_part('epoch', rate.spacing)))
               end)::integer, 2147483647),
           busy.attempts,
           case when s.next_at operator(pg_catalog.>) limit_room.at then s.next_at operator(pg_catalog.-) limit_room.at end, most.burst, rate.spacing
    from piton.stage_limits s
    cross join lateral (
        select pg_catalog.count(*)::integer as attempts from piton.jobs j
        where j.limit_id operator(pg_catalog.=) any(array[s.id])
          and j.state operator(pg_catalog.>=) 'running' and j.state operator(pg_catalog.<=) 'running'
    ) as busy
    cross join lateral (
        select greatest(1, pg_catalog.floor(
                   s.rate_attempts::double precision
                   operator(pg_catalog./) (20 operator(pg_catalog.*) pg_catalog.date_part('epoch', s.rate_period))))::integer as burst
    ) as most
    cross join lateral (
        select s.rate_period
               operator(pg_catalog./) (s.rate_attempts operator(pg_catalog.-) most.burst operator(pg_catalog.+) 1)::double precision
               operator(pg_catalog.+) interval '1 microsecond' as spacing
    ) as rate
    where s.id operator(pg_catalog.=) any(array[limit_room.limit_id])
$$;
comment on function piton.limit_room(bigint, timestamptz) is 'For Piton itself: how many attempts may begin under a limit at that moment, how many run, how long its rate says to wait, and how it spreads them.';
