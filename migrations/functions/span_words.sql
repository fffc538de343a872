-- The same words as view/when.rs: the two largest units that are not zero, and no smaller one where it says nothing.
create or replace function piton.span_words(span interval) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
    with parts as (select (extract(epoch from span) * 1000)::int8 as ms)
    select case when ms < 0 then '0 ms'
                when ms < 1000 then ms || ' ms'
                when ms < 60000 then rtrim(rtrim((trunc(ms / 100) / 10)::numeric(4, 1)::text, '0'), '.') || ' s'
                when ms < 3600000 then concat_ws(' ', ms / 60000 || ' min', nullif(ms % 60000 / 1000, 0) || ' s')
                when ms < 86400000 then concat_ws(' ', ms / 3600000 || ' h', nullif(ms % 3600000 / 60000, 0) || ' min')
                else concat_ws(' ', ms / 86400000 || ' d', nullif(ms % 86400000 / 3600000, 0) || ' h')
           end
    from parts
$$;
comment on function piton.span_words(interval) is 'A span of time as people say it: 7 ms, 1.2 s, 2 min, 1 min 30 s, 1 h 2 min, 3 d 4 h.';
