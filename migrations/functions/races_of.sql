create or replace function piton.races_of(version_id bigint) returns table (stage smallint, first integer, needs smallint[])
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select (s.place - 1)::smallint, (s.definition ->> 'first')::integer,
           array(select need::smallint from json_array_elements_text(s.definition -> 'needs') as need)
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = races_of.version_id and (s.definition -> 'first') is not null
$$;
comment on function piton.races_of(bigint) is 'For Piton itself: the stages of a workflow version that begin when the first ones of their needs are done, with how many that are.';
