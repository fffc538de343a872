-- Ends a batch of attempts: checkpoint, what follows, and the end of the job in one statement (promise 1), for those
-- attempts whose claim still holds (promise 2). Returns the ordinals that landed; what is missing was fenced.
-- Locks: the runs that may get new jobs (shared, against give_up), own job rows in (run, job) order, joins in
-- (run, stage) order, then the runs that end.
with outcome as materialized (
    select * from unnest(
        $1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[], $7::timestamptz[], $8::text[],
        $9::int2[], $10::int4[], $11::bool[], $12::text[], $13::bytea[], $14::int8[], $15::text[], $16::text[], $17::text[]
    ) with ordinality as o (
        run_id, job_id, stage, item, attempt, worker_id, started_at, kind,
        next_stage, items, ends_run, output, digest, delay_ms, class, message, detail, ord
    )
),
growing as materialized (
    select id from piton.runs
    where id in (
        select run_id from outcome
        where items > 0 or (ord in (select unnest($18::int8[]) union all select unnest($22::int8[]))) is true)
    order by id
    for key share
),
kept as (
    update piton.jobs j set
        state = case o.kind when 'retry' then 'scheduled' else 'ready' end,
        stage = case o.kind when 'advance' then o.next_stage else j.stage end,
        item = case o.kind when 'advance' then -1 else j.item end,
        attempt = case o.kind when 'advance' then 0 when 'unclaim' then j.attempt - 1 else j.attempt end,
        due_at = case o.kind when 'retry' then now() + o.delay_ms * interval '1 millisecond' else j.due_at end,
        since = now(), worker_id = null, progress_done = null, progress_of = null, progress_note = null
    from outcome o
    where (select count(*) from growing) >= 0
      and o.kind in ('advance', 'retry', 'release', 'unclaim')
      and j.run_id = o.run_id and j.id = o.job_id and j.state = 'running'
      and j.stage = o.stage and j.item = o.item and j.attempt = o.attempt and j.worker_id = o.worker_id
    returning o.ord, o.kind, o.run_id, o.stage, o.item, o.attempt, o.worker_id, o.started_at, o.items, o.ends_run, o.output,
              o.digest, o.class, o.message, o.detail, j.workflow_id, j.version_id, j.rank, j.due_at
),
ended as (
    delete from piton.jobs j
    using outcome o
    where (select count(*) from growing) >= 0
      and o.kind = 'end'
      and j.run_id = o.run_id and j.id = o.job_id and j.state = 'running'
      and j.stage = o.stage and j.item = o.item and j.attempt = o.attempt and j.worker_id = o.worker_id
    returning o.ord, o.kind, o.run_id, o.stage, o.item, o.attempt, o.worker_id, o.started_at, o.items, o.ends_run, o.output,
              o.digest, o.class, o.message, o.detail, j.workflow_id, j.version_id, j.rank, j.due_at
),
landed as (
    select * from kept union all select * from ended
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select run_id, stage, item, attempt, worker_id, started_at, octet_length(output), digest, output::json
    from landed
    where kind in ('advance', 'end')
),
tried as (
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at, retry_at)
    select run_id, stage, item, attempt, case kind when 'retry' then 'failed' else 'released' end,
           class, message, detail::json, worker_id, started_at, case kind when 'retry' then due_at end
    from landed
    where kind in ('retry', 'release')
),
arrived as materialized (
    select a.run_id, a.stage, sum(a.change)::int4 as change
    from unnest($18::int8[], $19::int8[], $20::int2[], $21::int4[]) as a (ord, run_id, stage, change)
    -- "is true" keeps it a hashed subplan: as a join it would be a loop over the whole batch for every arrival.
    where (a.ord in (select ord from landed)) is true
    group by a.run_id, a.stage
),
awaited as materialized (
    select j.run_id, j.stage, j.missing + a.change as missing
    from piton.joins j join arrived a on j.run_id = a.run_id and j.stage = a.stage
    order by j.run_id, j.stage
    for no key update of j
),
waiting as (
    update piton.joins j set missing = a.missing
    from awaited a
    where j.run_id = a.run_id and j.stage = a.stage and a.missing <> 0
),
opened as (
    delete from piton.joins j
    using awaited a
    where j.run_id = a.run_id and j.stage = a.stage and a.missing = 0
    returning j.run_id, j.stage
),
born as (
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, state, rank, due_at)
    select l.run_id, l.workflow_id, l.version_id, s.stage, -1, 'ready', l.rank, l.due_at
    from unnest($22::int8[], $23::int2[]) as s (ord, stage) join landed l using (ord)
    union all
    select l.run_id, l.workflow_id, l.version_id, l.stage, i, 'ready', l.rank, l.due_at
    from landed l cross join lateral generate_series(0, l.items - 1) as i
    where l.items > 0
    union all
    (select distinct on (d.run_id, d.stage) l.run_id, l.workflow_id, l.version_id, d.stage, -1, 'ready', l.rank, l.due_at
     from opened d join landed l using (run_id)
     where d.stage >= 0
     order by d.run_id, d.stage)
    returning run_id
),
done as (
    update piton.runs r set state = 'done', finished_at = now()
    where r.state = 'running' and r.id in (
        select run_id from landed where ends_run
        union all
        select run_id from opened where stage = -1)
    returning r.id
)
select l.ord,
       l.run_id in (select id from done) as run_done,
       (select count(*) from (
            select pg_notify('piton_jobs', '')
            where exists (select from born) or exists (select from kept where kind <> 'retry')) as woken) > 0 as woke
from landed l
