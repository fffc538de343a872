create or replace function piton.stages_behind(version_id bigint, stages smallint[]) returns smallint[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with recursive edge as materialized (
        select s.stage, unnest(s.needs) as need from piton.stages_of(stages_behind.version_id) as s
    ),
    behind as (
        select unnest(stages_behind.stages) as stage
        union
        select e.stage from behind b join edge e on e.need = b.stage
    )
    select array_agg(b.stage order by b.stage) from behind b
$$;
comment on function piton.stages_behind(bigint, smallint[]) is 'For Piton itself: those stages, and every stage that needs one of them, however indirectly.';
