-- The first job of each workflow version among those that are set aside under a limit: a worker that lacks what some versions
-- need walks over none of their jobs. Hops from version to version, of which few have jobs that wait.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.limit_heads(
    limit_id bigint, waiting text, lacks_versions bigint[], lacks_stages smallint[]
) returns table (version_id bigint, stage smallint, rank smallint, due_at timestamptz, since timestamptz)
language sql stable
as $$
    with recursive waits (version_id) as (
        select (select j.version_id from piton.jobs j
                where j.limit_id operator(pg_catalog.=) limit_heads.limit_id
                  and j.state operator(pg_catalog.=) limit_heads.waiting
                order by j.version_id limit 1)
        union all
        select (select j.version_id from piton.jobs j
                where j.limit_id operator(pg_catalog.=) limit_heads.limit_id
                  and j.state operator(pg_catalog.=) limit_heads.waiting
                  and j.version_id operator(pg_catalog.>) w.version_id
                order by j.version_id limit 1)
        from waits w where w.version_id is not null
    )
    select head.version_id, head.stage, head.rank, head.due_at, head.since
    from waits w
    cross join lateral (
        select j.version_id, j.stage, j.rank, j.due_at, j.since
        from piton.jobs j
        where j.limit_id operator(pg_catalog.=) limit_heads.limit_id
          and j.state operator(pg_catalog.=) limit_heads.waiting
          and j.version_id operator(pg_catalog.=) w.version_id
          and piton.can_begin(j.attempt, j.stage, j.item)
        order by j.rank, j.due_at, j.id
        limit 1
    ) as head
    where not exists (
        select from rows from (pg_catalog.unnest(lacks_versions), pg_catalog.unnest(lacks_stages)) as u (version_id, stage)
        where u.version_id operator(pg_catalog.=) head.version_id and u.stage operator(pg_catalog.=) head.stage)
$$;
comment on function piton.limit_heads(bigint, text, bigint[], smallint[]) is 'For Piton itself: the first of the jobs that wait under a limit (limited, or suspect) in each workflow version, without the stages that are lacking.';
