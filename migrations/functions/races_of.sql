-- Put into the statement that calls it, as piton.stages_of is.
create or replace function piton.races_of(version_id bigint) returns table (stage smallint, first integer, needs smallint[])
language sql stable
as $$
    select (s.place operator(pg_catalog.-) 1)::smallint, (s.definition operator(pg_catalog.->>) 'first')::integer,
           array(select need::smallint
                 from pg_catalog.json_array_elements_text(s.definition operator(pg_catalog.->) 'needs') as need)
    from piton.workflow_versions v
    cross join lateral pg_catalog.json_array_elements(v.definition operator(pg_catalog.->) 'stages')
        with ordinality as s (definition, place)
    where v.id operator(pg_catalog.=) races_of.version_id and (s.definition operator(pg_catalog.->) 'first') is not null
$$;
comment on function piton.races_of(bigint) is 'For Piton itself: the stages of a workflow version that begin when the first ones of their needs are done, with how many that are.';
