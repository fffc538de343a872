-- Live jobs, each with as many as it stands for. However many there are, it reads no more than `most` of each state: where there
-- are more, it estimates them from a thousand pages of the table.
create or replace function piton.live_jobs(most bigint)
returns table (run_id bigint, id bigint, workflow_id bigint, version_id bigint, stage smallint, item integer, until integer,
               state text, attempt integer, due_at timestamptz, since timestamptz, jobs double precision)
language sql stable
set search_path = pg_catalog, pg_temp
-- Jobs are read in the order of an index, as far as is wanted.
set enable_sort = off
set enable_seqscan = on
set jit = off
as $$
    with few as materialized (
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, j.due_at, j.since
         from piton.jobs j
         where j.state = 'ready' order by j.workflow_id, j.rank, j.due_at, j.id limit live_jobs.most + 1)
        union all
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, j.due_at, j.since
         from piton.jobs j
         where j.state = 'running' order by j.worker_id, j.run_id, j.id limit live_jobs.most + 1)
        union all
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, j.due_at, j.since
         from piton.jobs j
         where j.state = 'scheduled' order by j.due_at limit live_jobs.most + 1)
        union all
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, j.due_at, j.since
         from piton.jobs j
         where j.state = 'suspect' order by j.workflow_id, j.due_at, j.id limit live_jobs.most + 1)
        union all
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, coalesce(w.deadline, 'infinity'),
                j.since
         from piton.waits w
         cross join lateral (select * from piton.jobs o where o.run_id = w.run_id and o.id = w.job_id and o.state = 'waiting' offset 0) as j
         where w.outcome is null order by w.deadline limit live_jobs.most + 1)
        union all
        (select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt, j.due_at, j.since
         from piton.jobs j
         where j.limit_id is not null and j.state = 'limited'
         order by j.limit_id, j.state, j.version_id, j.rank, j.due_at, j.id limit live_jobs.most + 1)
    ),
    many as materialized (
        select state from few group by state having count(*) > live_jobs.most
    ),
    part as materialized (
        select least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.jobs'), 1)) as part
    )
    select f.run_id, f.id, f.workflow_id, f.version_id, f.stage, f.item, f.until, f.state, f.attempt, f.due_at, f.since, 1::float8
    from few f where f.state <> all (array(select m.state from many m))
    union all
    select j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.state, j.attempt,
           case when j.state = 'waiting' then 'infinity' else j.due_at end, j.since, 1 / (select p.part from part p)
    from piton.jobs j
        tablesample system (100 * least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.jobs'), 1)))
    where (select count(*) from many) > 0 and j.state = any (array(select m.state from many m))
$$;
comment on function piton.live_jobs(bigint) is 'For Piton itself: live jobs, each with the number of jobs it stands for. In a state with more jobs than a maximum, those on a thousand pages of the table stand for all. A waiting one is due when its wait ends by itself; where they are estimated, never.';
