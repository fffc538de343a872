create or replace function piton.same_times(one json, other json) returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select one ->> 'cron' is not distinct from other ->> 'cron' and one ->> 'every' is not distinct from other ->> 'every'
           and coalesce(one ->> 'zone', 'UTC') = coalesce(other ->> 'zone', 'UTC')
$$;
comment on function piton.same_times(json, json) is 'For Piton itself: whether two schedules tick at the same times.';
