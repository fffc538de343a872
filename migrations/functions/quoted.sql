-- As src/model/quoted.rs.
create or replace function piton.quoted(said text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case when length(said) > 200 then left(said, 200) || '…' else said end
$$;
comment on function piton.quoted(text) is 'For Piton itself: the beginning of what somebody gave, for an error that quotes it.';
