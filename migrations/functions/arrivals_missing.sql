-- A join counts a stage as one arrival, and a fanned-out one as one for each item once it is split. All of it is read
-- from the checkpoints: while the run's row is locked, nothing arrives.
create or replace function piton.arrivals_missing(run bigint, version_id bigint, undone smallint[])
returns table (stage smallint, missing integer)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.stage,
           case when s.stage = any(arrivals_missing.undone) or k.run_id is null then 1
                when not s.fans_out then 0
                when k.output::text ~ '^[0-9]{1,9}$'
                then (k.output::text)::int4 - (select count(*) from piton.checkpoints i
                                               where i.run_id = arrivals_missing.run and i.stage = s.stage and i.item >= 0)::int4
           end
    from piton.stages_of(arrivals_missing.version_id) as s
    left join piton.checkpoints k on k.run_id = arrivals_missing.run and k.stage = s.stage and k.item = -1
$$;
comment on function piton.arrivals_missing(bigint, bigint, smallint[]) is 'For Piton itself: how many arrivals of each stage a join still waits for, if those stages have done nothing yet. Empty where the record of a split is damaged.';
