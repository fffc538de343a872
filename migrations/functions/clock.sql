create or replace function piton.clock(at timestamptz) returns text
language sql stable parallel safe
as $$
    select pg_catalog.to_char(piton.finite(at), 'YYYY-MM-DD HH24:MI:SS TZH:TZM')
$$;
comment on function piton.clock(timestamptz) is 'A time as people read it, in the time zone of the session, which is named.';
