-- Values are compared as text, and numbers by their value: 5, 5.0 and 5e0 are the same. A number of hundreds of digits is
-- compared as it is written, for it may have no value that Postgres can hold.
create or replace function piton.input_fits(input json, paths text[], wanted text[]) returns boolean
language plpgsql immutable parallel safe cost 1000
set search_path = pg_catalog, pg_temp
as $$
declare
    number constant text := '^-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][-+]?[0-9]{1,3})?$';
    is_plain constant boolean := position('\u' in input::text) = 0;
    path text[];
    said text;
    kind text;
begin
    if cardinality(paths) is distinct from cardinality(wanted) or input is null then
        return false;
    end if;
    for i in 1..coalesce(cardinality(paths), 0) loop
        path := null;
        begin
            path := paths[i]::text[];
            said := case when is_plain then input #>> path else piton.input_at(input, path) end;
            kind := case when said is distinct from wanted[i] then json_typeof(input #> path) end;
        exception
            -- As in piton.input_at.
            when data_exception then
                if path is null then
                    raise exception '"%" is no path: a path is the keys and positions that lead to a value', piton.quoted(paths[i])
                        using errcode = 'invalid_parameter_value', hint = 'Such as ''{customer,plan}'' or ''{items,0,id}'', in array[...].';
                end if;
                return false;
        end;
        if said is null then
            -- A null is there, as what is left out is not.
            if wanted[i] is distinct from 'null' or kind is distinct from 'null' then
                return false;
            end if;
        elsif said is distinct from wanted[i] then
            if (said ~ number and wanted[i] ~ number and kind = 'number') is not true then
                return false;
            end if;
            if said::numeric <> wanted[i]::numeric then
                return false;
            end if;
        end if;
    end loop;
    return true;
end
$$;
comment on function piton.input_fits(json, text[], text[]) is 'Whether a run''s input holds each of those values at its path (a text array as text, such as ''{customer,plan}''). Numbers are compared by value.';
