-- The graph of a workflow version, for whoever decides about a run in SQL.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.stages_of(version_id bigint)
returns table (stage smallint, name text, needs smallint[], fans_out boolean, over_input boolean)
language sql stable
as $$
    select (s.place operator(pg_catalog.-) 1)::smallint, s.definition operator(pg_catalog.->>) 'name',
           array(select need::smallint
                 from pg_catalog.json_array_elements_text(s.definition operator(pg_catalog.->) 'needs') as need),
           (s.definition operator(pg_catalog.->) 'for_each') is not null,
           coalesce((s.definition operator(pg_catalog.#>>) '{for_each,source}') operator(pg_catalog.=) 'input', false)
               or exists (select from pg_catalog.json_array_elements(s.definition operator(pg_catalog.#>) '{for_each,times}') as t (factor)
                          where (t.factor operator(pg_catalog.->>) 'source') operator(pg_catalog.=) 'input')
    from piton.workflow_versions v
    cross join lateral pg_catalog.json_array_elements(v.definition operator(pg_catalog.->) 'stages')
        with ordinality as s (definition, place)
    where v.id operator(pg_catalog.=) stages_of.version_id
$$;
comment on function piton.stages_of(bigint) is 'For Piton itself: the stages of a workflow version, with what they need, whether they fan out, and whether over the run''s input.';
