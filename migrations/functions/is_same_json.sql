-- Spaces and the order of keys make no other input; the digits of a number do. What jsonb cannot hold is compared as it was written.
create or replace function piton.is_same_json(one json, other json) returns boolean
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    return one::text = other::text or one::jsonb::text = other::jsonb::text;
exception
    when data_exception or program_limit_exceeded then
        return false;
end
$$;
comment on function piton.is_same_json(json, json) is 'Whether two inputs say the same: spaces and the order of keys do not count.';
