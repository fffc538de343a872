-- The texts of both stay as they are. A workflow that declares its input and no `tick` in it does not get one.
create or replace function piton.tick_input(input json, declared json, at text, previous text) returns json
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    body text := rtrim(input::text, E' \t\r\n');
begin
    if declared is not null and not exists (select from json_array_elements(declared) as k (d) where k.d ->> 'key' = 'tick')
       or exists (select from json_object_keys(input) as o (key) where o.key = 'tick') then
        return input;
    end if;
    return (left(body, -1) || case when exists (select from json_object_keys(input)) then ',' else '' end
            || '"tick":{"at":' || to_json(at)::text || ',"previous":' || coalesce(to_json(previous)::text, 'null') || '}}')::json;
end
$$;
comment on function piton.tick_input(json, json, text, text) is 'For Piton itself: the input of a schedule with its tick in it, for a workflow that declares its input so, or not at all.';
