-- Repeats src/model/times.rs for those who do not come through it.
create or replace function piton.check_time(at timestamptz, what text, cure text) returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if at < '1970-01-01 00:00:00+00' or at >= '10000-01-01 00:00:00+00' then
        raise exception '% is %, and must lie between the years 1970 and 9999', what, at
            using errcode = 'datetime_field_overflow', hint = cure;
    end if;
end
$$;
comment on function piton.check_time(timestamptz, text, text) is 'Refuses a time that is infinite or far away: named, with what to do instead.';
