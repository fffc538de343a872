-- Ends runs whose jobs were given up: the failed attempt is recorded, the run fails, its other jobs are cancelled and
-- its joins go, for those attempts whose claim still holds. A run leaves no live sibling behind: the transaction has
-- locked the runs before this statement, so that no commit can add a job that its snapshot would miss. Rows are looked up
-- as in commit.sql. Items behind one that is given up go with the siblings, whoever's row they are in.
with outcome as materialized (
    select * from unnest(
        $1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[], $7::timestamptz[],
        $8::text[], $9::text[], $10::text[]
    ) with ordinality as o (run_id, job_id, stage, item, attempt, worker_id, started_at, class, message, detail, ord)
),
given_up as (
    delete from piton.jobs j
    using outcome o
    where j.run_id = any(array[o.run_id]) and j.id = o.job_id
      and j.stage = o.stage and j.item = o.item and j.attempt = o.attempt and j.worker_id = o.worker_id
    returning o.ord, o.run_id, o.job_id, o.stage, o.item, o.attempt, o.worker_id, o.started_at, o.class, o.message, o.detail
),
first as (
    select distinct on (run_id) run_id, stage, class, message
    from given_up
    order by run_id, ord
),
ended as (
    update piton.runs r
    set state = 'failed', finished_at = now(), failed_stage = f.stage, failure_class = f.class, failure_message = f.message
    from first f
    where r.id = any(array[f.run_id]) and r.state = 'running'
),
siblings as (
    delete from piton.jobs j
    using first f
    where j.run_id = any(array[f.run_id])
      and ((j.run_id, j.id) in (select run_id, job_id from given_up)) is not true
    returning j.run_id, j.stage, j.item, j.attempt, j.state, j.worker_id, j.since
),
unjoined as (
    delete from piton.joins j using first f where j.run_id = any(array[f.run_id])
),
tried as (
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at)
    select run_id, stage, item, attempt, 'failed', class, message, detail::json, worker_id, started_at
    from given_up
    union all
    select run_id, stage, item, attempt, 'cancelled', null, null, null, worker_id, since
    from siblings
    where state = 'running'
)
select ord from given_up
