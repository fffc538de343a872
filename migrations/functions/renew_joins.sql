-- A join that is there is changed and not replaced: an arrival of another branch may wait for the run's row at this
-- moment, and would not see a row that is newer than its snapshot.
create or replace function piton.renew_joins(run bigint, version_id bigint, undone smallint[], starts smallint[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    damaged text;
    decided record;
begin
    select s.name into damaged
    from piton.arrivals_missing(run, version_id, undone) a join piton.stages_of(version_id) s on s.stage = a.stage
    where a.missing is null
    limit 1;
    if found then
        raise exception 'the record of how stage "%" was split is damaged', damaged
            using errcode = 'data_corrupted', hint = 'Let it begin from that stage, or from the beginning.';
    end if;
    -- A race that is decided by what stays done cannot be run again by one who lost it.
    select s.name, w.names into decided
    from piton.races_of(version_id) r
    join piton.stages_of(version_id) s on s.stage = r.stage
    cross join lateral (
        select count(*) as done, string_agg(format('"%s"', o.name), ', ' order by o.stage) as names
        from piton.checkpoints k join piton.stages_of(version_id) o on o.stage = k.stage
        where k.run_id = renew_joins.run and k.stage = any(r.needs) and k.stage <> all(undone) and k.item = -1
          and k.skipped is null) as w
    where r.stage = any(undone) and r.stage <> all(starts) and r.needs && undone and w.done >= r.first
    limit 1;
    if found then
        raise exception 'stage "%" began with %, so that others would be stopped again', decided.name, decided.names
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Let it begin from a stage that was first, or from the beginning.';
    end if;
    -- They begin at once, and wait for nothing.
    delete from piton.joins j where j.run_id = renew_joins.run and j.stage = any(starts);
    with stage as materialized (
        select * from piton.stages_of(version_id)
    ),
    waiting as (
        select s.stage, s.needs from stage s
        where s.stage = any(undone) and s.stage <> all(starts)
          and s.stage <> all(array(select r.stage from piton.races_of(version_id) r))
        union all
        select -1, array_agg(s.stage) from stage s where s.stage <> all(array(select unnest(o.needs) from stage o))
    )
    insert into piton.joins (run_id, stage, missing)
    select renew_joins.run, w.stage, sum(a.missing)
    from waiting w
    cross join lateral unnest(w.needs) as n (need)
    join piton.arrivals_missing(run, version_id, undone) a on a.stage = n.need
    join stage s on s.stage = n.need
    group by w.stage
    -- One branch that leads to one stage needs no join.
    having count(*) > 1 or bool_or(s.fans_out)
    union all
    -- A race waits for the first ones of its needs that are done.
    select renew_joins.run, r.stage, r.first - count(k.run_id)
    from piton.races_of(version_id) r
    cross join lateral unnest(r.needs) as n (need)
    left join piton.checkpoints k on k.run_id = renew_joins.run and k.stage = n.need and k.stage <> all(undone) and k.item = -1
        and k.skipped is null
    where r.stage = any(undone) and r.stage <> all(starts)
    group by r.stage, r.first
    on conflict on constraint joins_pkey do update set missing = excluded.missing;
end
$$;
comment on function piton.renew_joins(bigint, bigint, smallint[], smallint[]) is 'For Piton itself: writes anew what the undone stages of a run wait for, and its end; those that start wait for nothing.';
