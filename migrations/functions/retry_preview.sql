-- What piton.retry_dead_letters would do, read only: the same places (redo_place), the same refusals, and of the stages behind
-- a place all that redo would undo.
create or replace function piton.retry_preview(
    dead_letters uuid[], from_stage text default null, from_beginning boolean default false
) returns table (
    workflow text, stage text, letters bigint, runs bigint, kept bigint, again bigint, first_time bigint, attempts bigint,
    seconds double precision, limits text, least_seconds double precision, paused boolean
)
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    from_beginning := coalesce(from_beginning, false);
    if from_stage is not null and from_beginning then
        raise exception 'a dead letter is retried from a stage or from the beginning, not from both'
            using errcode = 'invalid_parameter_value', hint = 'Leave from_stage or from_beginning out.';
    end if;
    if from_stage is not null then
        perform piton.refuse_stage(d.id, from_stage)
        from unnest(dead_letters) as asked (id) join piton.dead_letters d on d.id = asked.id
        where d.resolution in ('pending', 'tolerated');
    end if;
    return query
    with chosen as materialized (
        select d.id, d.run_id, d.workflow_id, d.version_id, d.stage, d.item, d.class, d.resolution
        from unnest(dead_letters) as asked (id) join piton.dead_letters d on d.id = asked.id
        where d.resolution in ('pending', 'tolerated')
    ),
    -- What depends on the version alone is asked for once for each, and not for each run.
    place_of_version as materialized (
        select v.version_id, v.workflow_id, s.stage, s.name, s.fans_out, s.needs
        from (select distinct c.version_id, c.workflow_id from chosen c) v
        cross join lateral piton.stages_of(v.version_id) s
    ),
    run as materialized (
        select c.run_id, c.workflow_id, c.version_id, array_agg(distinct c.stage) as stages from chosen c group by 1, 2, 3
    ),
    -- Of one run where a corrupt checkpoint is made anew, or where it went on behind a letter that is tolerated, else of every run of the version.
    place as (
        select c.run_id, c.version_id, p.stage, p.item
        from chosen c cross join lateral piton.redo_place(c.id, null) p
        where c.class in ('corrupt_checkpoint', 'not_good_enough') and retry_preview.from_stage is null and not from_beginning
        union
        select c.run_id, c.version_id, c.stage, nullif(c.item, -1)
        from chosen c
        where c.resolution = 'tolerated' and c.class <> 'not_good_enough' and retry_preview.from_stage is null and not from_beginning
        union
        select null, s.version_id, s.stage, null
        from place_of_version s
        where s.name = retry_preview.from_stage or from_beginning and s.needs = '{}'
    ),
    behind as (
        select p.version_id, p.stage as place, b.stage
        from (select distinct q.version_id, q.stage from place q) p
        cross join lateral unnest(piton.stages_behind(p.version_id, array[p.stage])) as b (stage)
    ),
    undone as materialized (
        select p.run_id, p.version_id, b.stage, case when b.stage = p.stage then p.item end as item
        from place p join behind b on b.version_id = p.version_id and b.place = p.stage
    ),
    -- Dead letters that are retried, and those of their runs that go with a redo.
    letter as materialized (
        select c.run_id, c.version_id, c.stage, c.item from chosen c
        union
        select r.run_id, r.version_id, d.stage, d.item
        from run r join piton.dead_letters d on d.run_id = r.run_id and d.resolution in ('pending', 'tolerated')
        where exists (select from undone u where u.version_id = r.version_id and u.stage = d.stage
                      and (u.run_id is null or u.run_id = d.run_id) and (u.item is null or u.item = d.item))
    ),
    done as (
        select k.run_id, r.version_id, k.stage, k.attempt,
               extract(epoch from piton.finite(k.finished_at) - piton.finite(k.started_at))::float8 as took,
               exists (select from undone u where u.version_id = r.version_id and u.stage = k.stage
                       and (u.run_id is null or u.run_id = k.run_id) and (u.item is null or u.item = k.item)) as is_undone
        from run r
        join piton.checkpoints k on k.run_id = r.run_id
        -- The record of a split is no work.
        where k.item >= 0 or not exists (select from place_of_version s
                                         where s.version_id = r.version_id and s.stage = k.stage and s.fans_out)
    ),
    failed as (
        select a.run_id, l.version_id, a.stage, a.item, a.attempt, a.started_at, a.ended_at
        from letter l
        join piton.attempts a on a.run_id = l.run_id and a.stage = l.stage and a.item = l.item
        union
        select a.run_id, r.version_id, a.stage, a.item, a.attempt, a.started_at, a.ended_at
        from run r
        join piton.attempts a on a.run_id = r.run_id
        where exists (select from undone u where u.version_id = r.version_id and u.stage = a.stage
                      and (u.run_id is null or u.run_id = a.run_id) and (u.item is null or u.item = a.item))
    ),
    -- What comes behind them and was never done.
    later as materialized (
        select s.version_id, s.stages, b.stage
        from (select distinct r.version_id, r.stages from run r) s
        cross join lateral unnest(piton.stages_behind(s.version_id, s.stages)) as b (stage)
        where b.stage <> all(s.stages)
    ),
    counted (run_id, version_id, stage, letters, kept, again, first_time, attempts, took) as (
        select l.run_id, l.version_id, l.stage, 1, 0, 1, 0, 0, 0::float8 from letter l
        union all
        select d.run_id, d.version_id, d.stage, 0, (not d.is_undone)::int4, d.is_undone::int4, 0, d.is_undone::int4,
               case when d.is_undone then d.took else 0 end
        from done d
        union all
        select f.run_id, f.version_id, f.stage, 0, 0, 0, 0, 1,
               extract(epoch from piton.finite(f.ended_at) - piton.finite(f.started_at))::float8
        from failed f
        union all
        select r.run_id, r.version_id, l.stage, 0, 0, 0, 1, 0, 0
        from run r
        join later l on l.version_id = r.version_id and l.stages = r.stages
        where not exists (select from piton.checkpoints k where k.run_id = r.run_id and k.stage = l.stage and k.item = -1)
    ),
    grouped as (
        select c.version_id, c.stage, sum(c.letters)::int8 as letters, count(distinct c.run_id) as runs, sum(c.kept)::int8 as kept,
               sum(c.again)::int8 as again, sum(c.first_time)::int8 as first_time, sum(c.attempts)::int8 as attempts,
               sum(c.took)::float8 as seconds
        from counted c
        group by 1, 2
    ),
    summed as (
        select w.id as workflow_id, w.name as workflow, s.name as stage, min(s.stage) as place, sum(g.letters)::int8 as letters,
               sum(g.runs)::int8 as runs, sum(g.kept)::int8 as kept, sum(g.again)::int8 as again,
               sum(g.first_time)::int8 as first_time, sum(g.attempts)::int8 as attempts, sum(g.seconds)::float8 as seconds
        from grouped g
        join place_of_version s on s.version_id = g.version_id and s.stage = g.stage
        join piton.workflows w on w.id = s.workflow_id
        group by 1, 2, 3
    )
    select t.workflow, t.stage, t.letters, t.runs, t.kept, t.again, t.first_time, t.attempts, t.seconds,
           nullif(concat_ws(', ', i.concurrency || ' at once', i.per_worker || ' on each worker', i.rate_attempts || ' in ' || piton.span_words(i.rate_period)), ''),
           greatest(t.again * extract(epoch from i.rate_period)::float8 / i.rate_attempts,
                    t.again * t.seconds / nullif(t.attempts, 0) / i.concurrency)::float8,
           exists (select from piton.pauses p where p.workflow_id in (0, t.workflow_id) and p.stage in ('', t.stage))
    from summed t
    left join piton.stage_limits i on i.workflow_id = t.workflow_id and i.stage = t.stage
    order by t.workflow, t.place, t.stage;
end
$$;
comment on function piton.retry_preview(uuid[], text, boolean) is 'What a retry of those dead letters would do, by workflow and stage, without doing it: checkpoints that are kept, jobs that run again and what they took last time (attempts, seconds), stages that come for the first time, and the limits they meet with the least time these allow.';
