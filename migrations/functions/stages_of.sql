-- The graph of a workflow version, for whoever decides about a run in SQL.
create or replace function piton.stages_of(version_id bigint)
returns table (stage smallint, name text, needs smallint[], fans_out boolean, over_input boolean)
language sql stable
as $$
    select (s.place - 1)::int2, s.definition ->> 'name',
           array(select need::int2 from json_array_elements_text(s.definition -> 'needs') as need),
           s.definition -> 'for_each' is not null,
           coalesce(s.definition #>> '{for_each,source}' = 'input', false)
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = stages_of.version_id
$$;
comment on function piton.stages_of(bigint) is 'For Piton itself: the stages of a workflow version, with what they need, whether they fan out, and whether over the run''s input.';
