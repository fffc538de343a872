-- Every mistake at once, each with its key and its cure. Digits and the order of keys stay as they were given; what is left
-- out and has a default comes behind them.
create or replace function piton.fit_input(declared json, input json, called text default 'the run''s input') returns json
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    takes text;
    wrong text;
    added text;
    body text := rtrim(input::text, E' \t\r\n');
begin
    select string_agg(format('"%s" (%s%s)', d ->> 'key', d ->> 'type',
                             case when d ->> 'default' is not null then ', or else ' || left(d ->> 'default', 80)
                                  when d ->> 'optional' is not null then ', may be left out'
                                  else '' end), ', ' order by place)
    into takes
    from json_array_elements(declared) with ordinality as k (d, place);
    takes := coalesce('It takes ' || left(takes, 4000) || '.', 'It takes an empty object.');
    if json_typeof(input) <> 'object' then
        raise exception '% must be an object with the keys that its workflow declares', called
            using errcode = 'invalid_parameter_value', detail = takes;
    end if;
    select string_agg(w.said, '; ' order by w.place, w.said) into wrong
    from (
        select k.place, case when v.key is null then format('"%s" is missing: add it (%s)', k.d ->> 'key', t.words)
                             else format('"%s" is %s: make it %s', k.d ->> 'key', t.found, t.words) end as said
        from json_array_elements(declared) with ordinality as k (d, place)
        left join json_each(input) as v on v.key = k.d ->> 'key'
        cross join lateral (
            select case k.d ->> 'type' when 'string' then 'a string' when 'number' then 'a number'
                       when 'integer' then 'a whole number' when 'boolean' then 'true or false'
                       when 'array' then 'an array' when 'object' then 'an object' else 'any value' end as words,
                   case json_typeof(v.value) when 'string' then 'a string' when 'number' then 'a number'
                       when 'boolean' then 'true or false' when 'array' then 'an array'
                       when 'object' then 'an object' else 'null' end as found
        ) as t
        where case when v.key is null then k.d ->> 'default' is null and k.d ->> 'optional' is null
                   when k.d ->> 'type' = 'any' then false
                   when k.d ->> 'type' = 'integer'
                   then json_typeof(v.value) <> 'number' or v.value::text !~ '^-?[0-9]+$'
                   else json_typeof(v.value) <> k.d ->> 'type' end
        union all
        select null, format('"%s" is not declared: remove it, or declare it below [input] in the file', piton.quoted(o.key))
        from json_object_keys(input) as o (key)
        where not exists (select from json_array_elements(declared) as k (d) where k.d ->> 'key' = o.key)
    ) as w;
    if wrong is not null then
        raise exception '% does not fit its workflow: %', called, left(wrong, 4000)
            using errcode = 'invalid_parameter_value', detail = takes;
    end if;
    select string_agg(to_json(k.d ->> 'key')::text || ':' || (k.d ->> 'default'), ',' order by k.place) into added
    from json_array_elements(declared) with ordinality as k (d, place)
    where k.d ->> 'default' is not null
      and not exists (select from json_object_keys(input) as o (key) where o.key = k.d ->> 'key');
    if added is null then
        return input;
    end if;
    body := left(body, -1) || case when exists (select from json_object_keys(input)) then ',' else '' end || added || '}';
    perform piton.check_input(body::json);
    return body::json;
end
$$;
comment on function piton.fit_input(json, json, text) is 'For Piton itself: a run''s input with the defaults of its workflow''s file in it, or a refusal that names the keys that do not fit.';
