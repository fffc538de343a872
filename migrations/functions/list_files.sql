-- The runs of the artifacts are locked before the artifacts are read: a cleanup that takes one just now has either ended, and
-- the file is refused here, or waits, and finds then that a run was started on it.
create or replace function piton.list_files(input json, files json, out listed json, out artifacts uuid[])
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    names text[];
    ids text[];
    wrong text;
    listing text;
    body text;
begin
    if json_typeof(files) = 'array' then
        select coalesce(array_agg(null::text), '{}'), coalesce(array_agg(coalesce(f.id, 'null') order by f.at), '{}') into names, ids
        from json_array_elements_text(files) with ordinality as f (id, at);
    elsif json_typeof(files) = 'object' then
        select coalesce(array_agg(f.name order by f.at), '{}'), coalesce(array_agg(coalesce(f.id, 'null') order by f.at), '{}') into names, ids
        from json_each_text(files) with ordinality as f (name, id, at);
    else
        raise exception 'the files that a run is started on are an array of artifact ids, or an object with a name for each'
            using errcode = 'invalid_parameter_value', hint = 'Such as ["0190…"] or {"talk.mp4": "0190…"}; piton.artifacts_overview has the ids.';
    end if;
    select i into wrong from unnest(ids) as i where i !~ '^[[:xdigit:]]{8}(-[[:xdigit:]]{4}){3}-[[:xdigit:]]{12}$' limit 1;
    if wrong is not null then
        raise exception '"%" is no id of an artifact', piton.quoted(wrong)
            using errcode = 'invalid_parameter_value', hint = 'piton.artifacts_overview has the ids.';
    end if;
    select n into wrong from unnest(names) as n
    where octet_length(n) not between 1 and 4096
       or exists (select from unnest(string_to_array(n, '/')) as p where p in ('', '.', '..') or octet_length(p) > 255) limit 1;
    if wrong is not null or '' = any(names) then
        raise exception 'an artifact cannot be named "%"', piton.quoted(coalesce(wrong, ''))
            using errcode = 'invalid_parameter_value',
                  hint = 'A name is the path of a file below a folder: parts of 1 to 255 bytes with a / between them, none of them . or .., 4096 bytes together.';
    end if;
    artifacts := ids::uuid[];
    perform from piton.runs r where r.id in (select a.run_id from piton.artifacts a where a.id = any(artifacts))
    order by r.id for key share;
    select i::text into wrong from unnest(artifacts) as i
    where not exists (select from piton.artifacts a where a.id = i and a.digest is not null
                      and a.type not in ('pending', 'failed', 'orphan', 'dead_letter')) limit 1;
    if wrong is not null then
        raise exception 'there is no artifact %: it was deleted, is not complete, or does not count, because its attempt came to nothing', wrong
            using errcode = 'invalid_parameter_value', hint = 'piton.artifacts_overview has the ids of those that do, where visible.';
    end if;
    -- Only names that were not given are those of the artifacts.
    select array_agg(coalesce(g.name, a.name) order by g.at) into names
    from unnest(names, artifacts) with ordinality as g (name, id, at) join piton.artifacts a on a.id = g.id;
    select n into wrong from unnest(names) as n group by n having count(*) > 1 limit 1;
    if wrong is not null then
        raise exception 'two files are named "%"', piton.quoted(wrong)
            using errcode = 'invalid_parameter_value', hint = 'Give one of them another name: {"NAME": "ID"}.';
    end if;
    if json_typeof(input) is distinct from 'object' or exists (select from json_object_keys(input) as k where k = 'files') then
        raise exception 'the run''s input must be an object without the key "files", under which its files are listed'
            using errcode = 'invalid_parameter_value', hint = 'Give the files apart from the input.';
    end if;
    select coalesce(string_agg(format('{"artifact":"%s","name":%s,"bytes":%s,"digest":"%s"}', a.id, to_json(g.name), a.bytes,
                                      encode(a.digest, 'hex')), ',' order by g.at), '') into listing
    from unnest(names, artifacts) with ordinality as g (name, id, at) join piton.artifacts a on a.id = g.id;
    body := rtrim(left(rtrim(input::text, E' \t\n\r'), -1), E' \t\n\r');
    listed := (body || case when right(body, 1) = '{' then '' else ',' end || '"files":[' || listing || ']}')::json;
end
$$;
comment on function piton.list_files(json, json) is 'For Piton itself: the input of a run with the artifacts that it is started on, which are checked, and kept from cleanup until the caller''s transaction ends.';
