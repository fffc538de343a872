create or replace function piton.limits_between(before bigint, after bigint, out changed jsonb)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with limits as (
        select v.id as version, s.definition ->> 'name' as stage,
               nullif(jsonb_strip_nulls(jsonb_build_object('concurrency', s.definition -> 'concurrency',
                                                           'per_worker', s.definition -> 'per_worker',
                                                           'rate', s.definition -> 'rate')), '{}') as limits
        from piton.workflow_versions v
        cross join lateral jsonb_array_elements(v.definition::jsonb -> 'stages') as s (definition)
        where v.id in (before, after)
    )
    select jsonb_agg(jsonb_build_object('stage', stage, 'from', b.limits, 'to', a.limits) order by stage)
    from (select l.stage, l.limits from limits l where l.version = before) as b
    full join (select l.stage, l.limits from limits l where l.version = after) as a using (stage)
    where b.limits is distinct from a.limits
$$;
comment on function piton.limits_between(bigint, bigint) is 'For Piton itself: the limits of stages that differ between two versions of a workflow, each with what it was and is; null where none does.';
