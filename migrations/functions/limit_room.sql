-- "between" keeps the count in the limit's own index: by an equality the planner may take the one of all that runs.
--
-- By a rate, attempts begin at least `spacing` apart, but for a burst that is due within a twentieth of a second, so that claims
-- need not come one by one. With the burst taken off, no stretch of time of the period's length has more than the rate says.
create or replace function piton.limit_room(limit_id bigint, at timestamptz)
returns table (room integer, running integer, wait interval, burst integer, spacing interval)
language sql stable
as $$
    select coalesce(least(
               case when s.concurrency is not null then greatest(s.concurrency - busy.attempts, 0) end,
               case when s.next_at > limit_room.at then 0
                    when s.rate_attempts is not null
                    then least(most.burst, 1 + floor(extract(epoch from limit_room.at - s.next_at) / extract(epoch from rate.spacing)))
               end)::int4, 2147483647),
           busy.attempts, case when s.next_at > limit_room.at then s.next_at - limit_room.at end, most.burst, rate.spacing
    from piton.stage_limits s
    cross join lateral (
        select count(*)::int4 as attempts from piton.jobs j
        where j.limit_id = any(array[s.id]) and j.state between 'running' and 'running'
    ) as busy
    cross join lateral (
        select greatest(1, floor(s.rate_attempts * 0.05 / extract(epoch from s.rate_period)))::int4 as burst
    ) as most
    cross join lateral (
        select s.rate_period / (s.rate_attempts - most.burst + 1) + interval '1 microsecond' as spacing
    ) as rate
    where s.id = any(array[limit_room.limit_id])
$$;
comment on function piton.limit_room(bigint, timestamptz) is 'For Piton itself: how many attempts may begin under a limit at that moment, how many run, how long its rate says to wait, and how it spreads them.';
