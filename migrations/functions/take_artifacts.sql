-- From here on nobody sees them: their files are deleted next, and their rows when the files are gone. Whatever stops in
-- between leaves rows of orphans, which the next cleanup deletes again.
create or replace function piton.take_artifacts(plan uuid, most integer)
returns table (number bigint, address text)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    chosen bigint[];
    due uuid[];
begin
    select array_agg(i.number) into chosen
    from (select n.number from piton.cleanup_items n
          where n.cleanup_id = take_artifacts.plan and n.what = 'artifacts' and n.deleted_at is null and n.error is null
          order by n.number limit most) as i;
    perform from piton.runs r
    where r.id in (select i.run_id from piton.cleanup_items i
                   where i.cleanup_id = take_artifacts.plan and i.number = any(chosen))
    order by r.id
    for update;
    -- A look-up for each, as in clean_runs.sql.
    select coalesce(array_agg(d.artifact), '{}') into due
    from piton.cleanup_items i
    cross join lateral (
        select d.artifact from piton.cleanup_due d
        where d.what = 'artifacts' and d.run_id = i.run_id and d.artifact = i.artifact and d.refused is null
        offset 0
    ) as d
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen);
    update piton.cleanup_items i set error = 'it is gone, held, or no longer due'
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen) and i.artifact <> all(due);
    update piton.artifacts a set type = 'orphan' where a.id = any(due) and a.type <> 'orphan';
    return query
    select i.number, i.address from piton.cleanup_items i
    where i.cleanup_id = take_artifacts.plan and i.number = any(chosen) and i.artifact = any(due);
end
$$;
comment on function piton.take_artifacts(uuid, integer) is 'For Piton itself: hides the next artifacts of a cleanup, and returns where their files are.';
