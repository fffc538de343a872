create or replace function piton.version_named(workflow bigint, digest text) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    found bigint[];
    known text;
begin
    if digest is null or digest !~ '^[0-9a-fA-F]{6,64}$' then
        raise exception 'a version is named by the first 6 to 64 digits of its digest, in hexadecimal, and not by "%"', coalesce(left(digest, 80), 'null')
            using errcode = 'invalid_parameter_value', hint = 'select * from piton.versions_overview shows them.';
    end if;
    select array_agg(v.id) into found from piton.workflow_versions v
    where v.workflow_id = version_named.workflow and encode(v.digest, 'hex') like lower(version_named.digest) || '%';
    if cardinality(found) = 1 then
        return found[1];
    end if;
    select string_agg(o.version, ', ' order by o.registered_at desc) into known from (
        select left(encode(v.digest, 'hex'), 12) as version, v.registered_at from piton.workflow_versions v
        where v.workflow_id = version_named.workflow
        order by v.registered_at desc limit 10) as o;
    if cardinality(found) > 1 then
        raise exception 'several versions begin with %', left(digest, 64)
            using errcode = 'invalid_parameter_value', hint = 'Give more digits.';
    end if;
    raise exception 'workflow "%" has no version %', (select w.name from piton.workflows w where w.id = version_named.workflow), left(digest, 64)
        using errcode = 'no_data_found', detail = coalesce('There are: ' || known || '.', 'It has none.'),
              hint = 'select * from piton.versions_overview shows them; a worker, "piton start" or "piton workflows deploy" registers a file.';
end
$$;
comment on function piton.version_named(bigint, text) is 'For Piton itself: the version of a workflow whose digest begins with that text; raises if there is none, or several.';
