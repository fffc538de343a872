-- What live runs have still to do, by version and stage: the jobs that are live, and those of the stages behind them, which each
-- run has once, however many live jobs lead there. Where one of them was given up, nothing behind it is counted; nor is a run
-- that begins later. Items of batches that wait for their turn have everything before them.
--
-- Known is what is live. Estimated is how long a job takes (all attempts of the latest thousand or so jobs of that stage that
-- ended, or of the other stages of its workflow, or a second), and how many items a stage will have that is not split yet (as
-- many as it had in earlier runs, or one). Of a state with more than `most` jobs, see piton.live_jobs; and with more than 16,000
-- live jobs, what comes behind them is told by an eighth of the runs.
--
-- What is `movable` more workers could do now: without what waits for more than a minute, is paused, or has to wait for a limit,
-- and without what is behind that. When an item of a batch begins is not up to them.
create or replace function piton.work_left(most bigint)
returns table (workflow_id bigint, version_id bigint, stage smallint, name text, waiting double precision,
               running double precision, to_come double precision, each_seconds double precision, movable double precision,
               oldest_since timestamptz, is_estimate boolean)
language sql stable
set search_path = pg_catalog, pg_temp
-- What belongs to a live run is looked up, whatever the session thinks of it.
set enable_hashjoin = on
set enable_sort = on
set enable_seqscan = on
set jit = off
as $$
    with recursive job as materialized (
        select j.*, soon.is_due or j.state not in ('scheduled', 'waiting') as is_due
        from piton.live_jobs(work_left.most) as j
        cross join lateral (select j.due_at < now() + interval '1 minute' as is_due) as soon
        -- Started for later.
        where j.state <> 'scheduled' or soon.is_due or j.attempt > 0
    ),
    -- Where all of them are known, what is live of a run is among them. Else it is looked up, for those runs whose first job is there.
    known as materialized (
        select coalesce(max(j.jobs), 1) = 1 as all_,
               -- Of very many runs an eighth tells enough of what is behind them: some thousand.
               case when count(*) > 16000 then 7 else 0 end as passed_over
        from job j
    ),
    run as (
        select j.run_id, j.version_id, (select 1 + k.passed_over from known k)::float8 as runs, array_agg(j.stage order by j.stage) as stages,
               array_agg(j.stage order by j.stage) filter (where j.is_late) as late
        from (select o.run_id, o.version_id, o.stage, bool_or(not o.is_due) as is_late
              from job o
              where (select k.all_ from known k) and hashint8(o.run_id) & (select k.passed_over from known k) = 0
              group by o.run_id, o.version_id, o.stage) as j
        group by j.run_id, j.version_id
        union all
        select j.run_id, j.version_id, j.jobs * (select 1 + k.passed_over from known k), live.stages, live.late
        from job j
        cross join lateral (
            select array_agg(distinct o.stage order by o.stage) as stages,
                   array_agg(distinct o.stage order by o.stage)
                       filter (where o.state = 'scheduled' and o.due_at >= now() + interval '1 minute' or o.state = 'waiting') as late
            from piton.jobs o where o.run_id = j.run_id
        ) as live
        where not (select k.all_ from known k) and hashint8(j.run_id) & (select k.passed_over from known k) = 0
          and j.id = (select o.id from piton.jobs o where o.run_id = j.run_id order by o.run_id, o.id limit 1)
    ),
    -- Of most runs nothing was given up.
    given_up as materialized (
        select d.run_id, array_agg(distinct d.stage order by d.stage) as stages
        from (select p.run_id, p.stage from piton.dead_letters p
              where p.resolution = 'pending' order by p.run_id, p.stage, p.item limit 100000) as d
        group by d.run_id
    ),
    -- Runs that stand at the same places are one kind.
    kind as materialized (
        select r.version_id, r.stages, r.late, g.stages as gone, sum(r.runs) as runs
        from run r
        left join given_up g on g.run_id = r.run_id
        group by r.version_id, r.stages, r.late, g.stages
    ),
    measured as materialized (
        select t.workflow_id, t.stage, t.seconds, t.splits, t.items, case when t.jobs > 0 then t.jobs else t.attempts end as jobs
        from piton.stage_times t
        where piton.is_sound_stage_times(t)
    ),
    -- Few batches are sealed at a time, and how many of their items wait is in their rows.
    unfed as materialized (
        select b.version_id, sum(b.items::int8 - b.started)::float8 as runs from piton.batches b where b.state = 'sealed' group by b.version_id
    ),
    stage as materialized (
        select v.id as version_id, v.workflow_id, s.stage, s.name, s.needs, s.fans_out,
               exists (select from piton.pauses p where p.workflow_id in (v.workflow_id, 0) and p.stage in ('', s.name)) as is_paused,
               coalesce(t.seconds / greatest(nullif(t.jobs, 0), 0.001), mean.seconds, 1) as seconds,
               case when s.fans_out then 1 + coalesce(t.items / greatest(nullif(t.splits, 0), 0.001), 1) else 1 end as jobs
        from piton.workflow_versions v
        cross join lateral piton.stages_of(v.id) as s
        left join measured t on t.workflow_id = v.workflow_id and t.stage = s.name
        left join lateral (
            select avg(o.seconds / greatest(o.jobs, 0.001)) as seconds
            from measured o where o.workflow_id = v.workflow_id and o.jobs > 0
        ) as mean on true
        where v.id in (select j.version_id from job j union all select u.version_id from unfed u)
    ),
    need as materialized (
        select s.version_id, unnest(s.needs) as need, s.stage from stage s
    ),
    behind as (
        select n.version_id, n.need as stage, n.stage as later from need n
        union
        select b.version_id, b.stage, n.stage from behind b join need n on n.version_id = b.version_id and n.need = b.later
    ),
    live as (
        select j.version_id, j.stage, j.state, sum(j.jobs) filter (where j.state = 'running') as running,
               sum(j.jobs * each.jobs) as left_, sum(j.jobs * each.known) as known, sum(j.jobs * each.jobs) filter (where j.is_due) as due, sum(j.jobs) as branches,
               min(j.since) filter (where j.state in ('ready', 'limited')) as since
        from job j
        join stage s on s.version_id = j.version_id and s.stage = j.stage
        cross join lateral (
            -- A branch of a fan-out has the items up to `until` before it; a stage that is not split yet has all of them.
            select case when j.item >= 0 then greatest(j.until::int8 - j.item, 1) else s.jobs end as jobs,
                   case when j.item >= 0 then greatest(j.until::int8 - j.item, 1) else 1 end as known
        ) as each
        group by j.version_id, j.stage, j.state
    ),
    -- Which part of what waits there may begin.
    room as materialized (
        select l.version_id, l.stage, limited.room, least(1, limited.room / l.branches) as share
        from live l
        join piton.limited_stages y on y.version_id = l.version_id and y.stage = l.stage
        cross join lateral piton.limit_room(y.limit_id, now()) as limited
        where l.state = 'limited'
    ),
    later as (
        select k.version_id, s.stage, sum(k.runs * s.jobs) as jobs,
               sum(k.runs * s.jobs * case when is_held.yes then 0 else coalesce(at_most.share, 1) end) as movable
        from kind k
        join stage s on s.version_id = k.version_id
        cross join lateral (
            -- A stage with live jobs, which the others bring nothing to, is paused, or its next attempt is far off.
            select exists (
                       select from behind b
                       join stage p on p.version_id = b.version_id and p.stage = b.stage
                       where b.version_id = k.version_id and b.later = s.stage
                         and (p.stage = any(k.late)
                              or p.is_paused and (p.stage = any(k.stages)
                                                  or exists (select from behind c
                                                             where c.version_id = b.version_id and c.later = p.stage
                                                               and c.stage = any(k.stages))))
                   ) or s.is_paused as yes
        ) as is_held
        left join lateral (
            select min(m.share) as share from room m
            join behind b on b.version_id = m.version_id and b.stage = m.stage
            where b.version_id = k.version_id and b.later = s.stage and b.stage = any(k.stages)
        ) as at_most on true
        where s.stage <> all(k.stages)
          and exists (select from behind b
                      where b.version_id = k.version_id and b.later = s.stage and b.stage = any(k.stages))
          and not exists (select from behind b
                          where b.version_id = k.version_id and b.later = s.stage and b.stage = any(k.gone))
        group by k.version_id, s.stage
    ),
    moved as (
        select l.version_id, l.stage, sum(l.left_) as left_, sum(l.known) as known, coalesce(sum(l.running), 0) as running, min(l.since) as since,
               sum(case when l.state = 'running' then l.due
                        when s.is_paused then 0
                        else least(l.due, m.room) end) as movable
        from live l
        join stage s on s.version_id = l.version_id and s.stage = l.stage
        left join room m on l.state = 'limited' and m.version_id = l.version_id and m.stage = l.stage
        group by l.version_id, l.stage
    )
    select s.workflow_id, s.version_id, s.stage, s.name, round(coalesce(m.known - m.running, 0)), round(coalesce(m.running, 0)),
           round(coalesce(l.jobs, 0) + coalesce(m.left_ - m.known, 0) + coalesce(u.runs * s.jobs, 0)), greatest(s.seconds, 0.001), round(coalesce(m.movable, 0) + coalesce(l.movable, 0)), m.since,
           (select not k.all_ or k.passed_over > 0 from known k)
    from stage s
    left join moved m on m.version_id = s.version_id and m.stage = s.stage
    left join later l on l.version_id = s.version_id and l.stage = s.stage
    left join unfed u on u.version_id = s.version_id
    where m.stage is not null or l.stage is not null or u.runs > 0
$$;
comment on function piton.work_left(bigint) is 'For Piton itself: what live runs, and those that batches have still to start, have to do, by version and stage: jobs that wait, run, and are to come, how long each takes, and how many of them more workers could do now. In a state with more jobs than a maximum, they are estimated.';
