-- The first stage is in the definition of the last one. On the way between the two is what is behind the first, and before the last.
create or replace function piton.round_stages(version_id bigint, last smallint, out begins smallint, out members smallint[])
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with recursive edge as materialized (
        select s.stage, unnest(s.needs) as need from piton.stages_of(round_stages.version_id) as s
    ),
    before as (
        select round_stages.last as stage
        union
        select e.need from before b join edge e on e.stage = b.stage
    ),
    first as (
        select (v.definition -> 'stages' -> round_stages.last::int4 -> 'repeat' ->> 'from')::int2 as stage
        from piton.workflow_versions v where v.id = round_stages.version_id
    )
    select f.stage,
           array(select b.stage from unnest(piton.stages_behind(round_stages.version_id, array[f.stage])) as b (stage)
                 where b.stage in (select o.stage from before o) order by b.stage)
    from first f
$$;
comment on function piton.round_stages(bigint, smallint) is 'For Piton itself: where the rounds begin that this stage decides about, and all stages of a round.';
