-- What must not be in a database that has come to rest, with how often it is there and an example. Written apart from the
-- engine; reads whole tables.
with ended as (
    select run_id, stage, item, attempt from piton.checkpoints
    union all select run_id, stage, item, attempt from piton.attempts
),
-- Begins and ends of the attempts under limits. A time on record is the begin of the transaction that wrote it, and a claim
-- that looks at one limit after another on a busy machine may count up to a tenth of a second later.
begun as (
    select l.id, l.stage, l.concurrency, l.per_worker, l.rate_attempts, l.rate_period,
           coalesce(w.parent, w.id) as worker_id, a.started_at, a.ended_at
    from piton.stage_limits l
    join piton.stage_names n on n.workflow_id = l.workflow_id and n.name = l.stage
    join piton.runs r on r.version_id = n.version_id
    join (select run_id, stage, worker_id, started_at, finished_at as ended_at from piton.checkpoints
          union all select run_id, stage, worker_id, started_at, ended_at from piton.attempts) as a
      on a.run_id = r.id and a.stage = n.stage
    join piton.workers w on w.id = a.worker_id
),
beside as (
    select e.id, e.stage, e.concurrency, e.per_worker,
           sum(e.change) over (partition by e.id order by e.at, e.change) as attempts,
           sum(e.change) over (partition by e.id, e.worker_id order by e.at, e.change) as attempts_here
    from (
        select b.*, b.started_at as at, 1 as change from begun b
        union all select b.*, greatest(b.ended_at - interval '100 ms', b.started_at), -1 from begun b
    ) as e
),
found (what, run_id, place) as (
    select 'jobs whose attempts are not numbered from 1 without holes', run_id, 'stage ' || stage || ' item ' || item
    from ended group by run_id, stage, item
    having min(attempt) <> 1 or max(attempt) <> count(*) or count(distinct attempt) <> count(*)
    union all
    select 'results that were committed by an attempt that had ended already', k.run_id,
           'stage ' || k.stage || ' item ' || k.item || ' attempt ' || k.attempt
    from piton.checkpoints k
    where exists (select from piton.attempts a where a.run_id = k.run_id and a.stage = k.stage and a.item = k.item
                  and a.attempt >= k.attempt)
    union all
    select 'results of a worker that is not known, or that began only later', k.run_id,
           'stage ' || k.stage || ' item ' || k.item || ' attempt ' || k.attempt
    from piton.checkpoints k
    where not exists (select from piton.workers w where w.id = k.worker_id and w.started_at <= k.started_at)
    union all
    select 'outputs that are not what was committed', run_id, 'stage ' || stage || ' item ' || item
    from piton.checkpoints
    where digest <> sha256(convert_to(coalesce('skipped: ' || skipped, output::text), 'UTF8')) or bytes <> octet_length(output::text)
    union all
    select 'checkpoints that were found to be damaged', run_id, message from piton.dead_letters where class = 'corrupt_checkpoint'
    union all
    select 'steps of a later attempt than the one that finished', s.run_id, s.name
    from piton.steps s join piton.checkpoints k using (run_id, stage, item)
    where s.attempt > k.attempt
    union all
    select 'artifacts that are visible without a checkpoint of their attempt', a.run_id, a.name
    from piton.artifacts a
    where a.type not in ('pending', 'failed', 'orphan', 'dead_letter') and a.stage >= 0
      and not exists (select from piton.checkpoints k where k.run_id = a.run_id and k.stage = a.stage and k.item = a.item
                      and k.attempt = a.attempt and k.worker_id = a.worker_id)
    union all
    select 'artifacts that are not visible, though their attempt has its checkpoint', a.run_id, a.name || ', ' || a.type
    from piton.artifacts a
    join piton.checkpoints k on k.run_id = a.run_id and k.stage = a.stage and k.item = a.item
        and k.attempt = a.attempt and k.worker_id = a.worker_id
    where a.type in ('pending', 'failed', 'orphan') and a.digest is not null
      -- Where a failover lost the end of an attempt, a worker may have begun it twice, and kept the same again.
      and not exists (select from piton.artifacts b where b.run_id = a.run_id and b.stage = a.stage and b.item = a.item
                      and b.attempt = a.attempt and b.name = a.name
                      and b.type not in ('pending', 'failed', 'orphan', 'dead_letter'))
    union all
    select 'rows of a stage without the result that they were committed with, or more than one of them, or none', run_id,
           'attempt ' || attempt
    from (
        select r.id as run_id, t.attempt, count(*) as times
        from public.chaos_totals t left join piton.runs r on r.uuid = t.run
        group by 1, 2
    ) as t
    full join (
        select k.run_id, k.attempt
        from piton.checkpoints k
        join piton.runs r on r.id = k.run_id
        join piton.workflow_versions v on v.id = r.version_id
        join piton.workflows w on w.id = v.workflow_id
        where w.name = 'chaos' and v.stage_names[k.stage + 1] = 'total'
    ) as k using (run_id, attempt)
    where t.times is distinct from 1 or k.run_id is null
    union all
    select 'rows of a program without the result that they were committed with, or more than one of them, or none', run_id,
           'attempt ' || attempt
    from (
        select r.id as run_id, l.attempt, count(*) as times
        from public.chaos_loads l left join piton.runs r on r.uuid = l.run
        group by 1, 2
    ) as l
    full join (
        -- An attempt that was lost behind its commit has written the row, and the one after it has ended with its result.
        select k.run_id, (k.output ->> 'attempt')::int4 as attempt
        from piton.checkpoints k
        join piton.runs r on r.id = k.run_id
        join piton.workflow_versions v on v.id = r.version_id
        join piton.workflows w on w.id = v.workflow_id
        where w.name = 'chaos' and v.stage_names[k.stage + 1] = 'load'
    ) as k using (run_id, attempt)
    where l.times is distinct from 1 or k.run_id is null
    union all
    select 'runs that go on without end', id, state from piton.runs where state = 'running'
    union all
    select 'runs that are blocked without a dead letter', id, state from piton.runs r
    where state = 'blocked' and not exists (select from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending')
    union all
    select 'dead letters of runs that are not blocked', run_id, d.class from piton.dead_letters d
    join piton.runs r on r.id = d.run_id
    where d.resolution = 'pending' and r.state <> 'blocked'
    union all
    select 'jobs that are left over', run_id, 'stage ' || stage || ' item ' || item || ', ' || state from piton.jobs
    union all
    select 'joins that are left over', j.run_id, 'stage ' || j.stage from piton.joins j
    left join piton.runs r on r.id = j.run_id
    where r.state is distinct from 'blocked'
    union all
    select 'moments with more attempts than the limit of their stage', null, stage || ': ' || attempts
    from beside where attempts > concurrency
    union all
    select 'moments with more attempts on a worker than the limit on each worker', null, stage || ': ' || attempts_here
    from beside where attempts_here > per_worker
    union all
    select 'attempts that began sooner than the rate of their stage allows', null, stage
    from (
        select stage, rate_period, started_at,
               lag(started_at, rate_attempts) over (partition by id order by started_at) as before
        from begun where rate_attempts is not null
    ) as paced
    where started_at - before < rate_period - interval '10 ms'
    union all
    select 'waits that are left open', run_id, 'stage ' || stage || ' item ' || item || ', ' || kind
    from piton.waits where outcome is null
    union all
    select 'waits that were given up before their time', run_id, 'stage ' || stage || ' item ' || item || ', ' || kind
    from piton.waits where outcome = 'timed_out' and ended_at < deadline
    union all
    select 'stages that started more than one run', parent_id, 'stage ' || parent_stage
    from piton.runs where parent_id is not null group by parent_id, parent_stage, parent_item having count(*) > 1
    union all
    select 'services that were asked for the same under several keys, or with several tokens', r.id, 'key ' || min(a.key)
    from public.chaos_asks a left join piton.runs r on r.uuid = a.run
    group by a.run, r.id having count(*) > 1 or max(a.tokens) > 1
    union all
    select 'rounds that were not done once', k.run_id, coalesce(rounds.times, 0)::text
    from piton.checkpoints k
    join piton.runs r on r.id = k.run_id
    join piton.workflow_versions v on v.id = r.version_id
    join piton.workflows w on w.id = v.workflow_id
    cross join lateral (select count(*) as times from piton.rounds o where o.run_id = k.run_id) as rounds
    where w.name = 'chaos' and v.stage_names[k.stage + 1] = 'draft' and rounds.times <> 1
    union all
    select 'ticks that started no run, or more than one', id, at || ', ' || gap || ' before the next'
    from (
        select r.id, tick.at, lead(tick.at) over (order by tick.at) - tick.at as gap
        from piton.runs r
        join piton.workflow_versions v on v.id = r.version_id
        join piton.workflows w on w.id = v.workflow_id
        cross join lateral (select (r.input #>> '{tick,at}')::timestamptz as at) as tick
        where w.name = 'chaos' and tick.at is not null
    ) as ticks
    where gap <> interval '2 s'
    union all
    select 'workers that have not ended', null, name from piton.workers where stopped_at is null
    union all
    select 'workers whose jobs were not all freed', null, name from piton.workers where not cleared
)
select what, count(*) as times, coalesce(min(coalesce('run ' || r.uuid || ' ', '') || place), '') as example
from found left join piton.runs r on r.id = found.run_id
group by what
order by what
