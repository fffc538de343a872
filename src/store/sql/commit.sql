-- Ends a batch of attempts: checkpoint, what follows, and the end of the job in one statement (promise 1), for those
-- attempts whose claim still holds (promise 2; its token never comes twice: promise 11). Returns the ordinals that landed, and which of them ended their run; what
-- is missing was fenced.
--
-- $1 to $21 are arrays with an element for every attempt of the batch. Of those with a fixed width the element is taken by its
-- ordinal, which costs less than to unnest them, and only narrow rows pass through the update. $22 is what few of them have, as
-- lists of objects that name the ordinal: failures (or attempts that were handed back), skips, dead_letters, arrivals, births, artifacts,
-- and the ordinals that are growing: their runs may get new jobs or a dead letter.
--
-- Rows are looked up by "= any (array[x])": an equality that the planner can only use as an index condition. With a plain
-- "= x" it may walk the whole index instead, when its statistics are those of an empty queue.
--
-- Locks: the runs that may get new jobs or a dead letter (shared, against those who decide about runs), own job rows in
-- (run, job) order, joins in (run, stage) order, then the runs that end or are blocked; artifacts of the own jobs.
with claim as materialized (
    select ord, becomes, ($1::int8[])[ord] as run_id, ($2::int8[])[ord] as job_id, ($3::int2[])[ord] as stage,
           ($4::int4[])[ord] as item, ($5::int4[])[ord] as attempt, ($6::int8[])[ord] as worker_id,
           ($20::int8[])[ord] as token
    from unnest($8::text[]) with ordinality as c (becomes, ord)
),
growing as materialized (
    select r.id
    from (
        select distinct ($1::int8[])[ord::int8] as run_id
        from jsonb_array_elements($22::jsonb -> 'growing') as o (ord)
        order by 1
    ) as o
    cross join lateral (select id from piton.runs where id = o.run_id for key share) as r
),
-- No checkpoint lands whose artifacts are on record no more, though its claim is: the database went back to between the two.
incomplete as materialized (
    select s.ord
    from jsonb_to_recordset($22::jsonb -> 'artifacts') as s (ord int8, whole int4)
    where s.whole > (
        select count(*)
        from piton.artifacts a
        where a.run_id = any(array[($1::int8[])[s.ord]]) and a.stage = ($3::int2[])[s.ord] and a.item = ($4::int4[])[s.ord]
          and a.attempt = ($5::int4[])[s.ord] and a.job_id = ($2::int8[])[s.ord] and a.worker_id = ($6::int8[])[s.ord]
          and a.token = ($20::int8[])[s.ord]
          and (a.type = 'pending') is true and a.digest is not null)
),
kept as (
    -- Where the branch stays claimed ('running') no indexed column changes: a HOT update. It never stays for a stage that has a
    -- limit.
    -- A suspect that is handed back waits to run alone again; any other end of its attempt clears it.
    update piton.jobs j set
        state = case when c.becomes = 'ready' and j.deaths > 0 and ($9::int2[])[c.ord] = j.stage and ($10::int4[])[c.ord] = j.item
                     then 'suspect' else c.becomes end,
        deaths = case when c.becomes = 'ready' and ($9::int2[])[c.ord] = j.stage and ($10::int4[])[c.ord] = j.item
                      then j.deaths else 0 end,
        worker_id = case c.becomes when 'running' then j.worker_id end,
        limit_id = null,
        stage = ($9::int2[])[c.ord],
        item = ($10::int4[])[c.ord],
        until = ($11::int4[])[c.ord],
        attempt = ($12::int4[])[c.ord],
        due_at = case when ($13::int8[])[c.ord] < 0 then j.due_at
                      else now() + ($13::int8[])[c.ord] * interval '1 millisecond' end,
        -- What was not done has waited since before it was claimed.
        since = case when ($13::int8[])[c.ord] < -1
                     then piton.finite(j.since) + (($13::int8[])[c.ord] + 2) * interval '1 millisecond' else now() end,
        progress_done = null, progress_of = null, progress_note = null
    from claim c
    where (select count(*) from growing) >= 0
      and c.becomes is not null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
      and (c.ord in (select ord from incomplete)) is not true
    returning c.ord, j.state
),
ended as (
    delete from piton.jobs j
    using claim c
    where (select count(*) from growing) >= 0
      and c.becomes is null
      and j.run_id = any(array[c.run_id]) and j.id = c.job_id
      and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
      and (c.ord in (select ord from incomplete)) is not true
    returning c.ord
),
-- "(ord in (select ord from landed)) is true" keeps it a hashed look-up: as a join it would be a loop over the batch.
landed as materialized (
    select ord from kept union all select ord from ended
),
recorded as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select ($1::int8[])[ord], ($3::int2[])[ord], ($4::int4[])[ord], ($5::int4[])[ord], ($6::int8[])[ord],
           ($7::timestamptz[])[ord], octet_length(output), digest, output::json
    from unnest($14::text[], $15::bytea[]) with ordinality as o (output, digest, ord)
    where output is not null and (ord in (select ord from landed)) is true
),
passed as (
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output, skipped)
    select ($1::int8[])[ord], ($3::int2[])[ord], ($4::int4[])[ord], ($5::int4[])[ord] + behind, ($6::int8[])[ord],
           ($7::timestamptz[])[ord], octet_length(output), decode(digest, 'hex'), output::json, reason
    from jsonb_to_recordset($22::jsonb -> 'skips') as s (ord int8, output text, digest text, reason text, behind int4)
    where (ord in (select ord from landed)) is true
),
tried as (
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at, retry_at)
    select ($1::int8[])[ord], ($3::int2[])[ord], ($4::int4[])[ord], ($5::int4[])[ord], outcome, class, message, detail::json,
           ($6::int8[])[ord], ($7::timestamptz[])[ord],
           case when outcome = 'failed' and ($13::int8[])[ord] >= 0
                then now() + ($13::int8[])[ord] * interval '1 millisecond' end
    from jsonb_to_recordset($22::jsonb -> 'failures')
         as t (ord int8, outcome text, class text, message text, detail text)
    where (ord in (select ord from landed)) is true
),
buried as (
    insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                    fingerprint, worker_id, resolution, resolved_at, resolved_by)
    select piton.new_id(), ($1::int8[])[ord], ($16::int8[])[ord], ($17::int8[])[ord], ($3::int2[])[ord], ($4::int4[])[ord],
           ($5::int4[])[ord], ($18::int2[])[ord], class, message, fingerprint, ($6::int8[])[ord],
           case when tolerated then 'tolerated' else 'pending' end, case when tolerated then now() end,
           case when tolerated then 'its workflow' end
    from jsonb_to_recordset($22::jsonb -> 'dead_letters')
         as d (ord int8, class text, message text, fingerprint text, tolerated bool)
    where (ord in (select ord from landed)) is true
    returning run_id, resolution
),
blocked as (
    -- The state of the newest row counts: whoever has just decided about the run saw no dead letter of this statement.
    update piton.runs r set state = case r.state when 'running' then 'blocked' else r.state end
    from (select distinct run_id from buried where resolution = 'pending' order by 1) as b
    where r.id = any(array[b.run_id])
),
shown as (
    -- Artifacts: what is whole becomes, with the checkpoint, what it was declared to be; with any other end, `becomes` says what.
    -- "is true" again: they are looked up by their attempt, never by their type.
    update piton.artifacts a
    set type = case when a.digest is null then 'orphan' else coalesce(s.becomes, a.declared) end
    from (
        select ($1::int8[])[ord] as run_id, ($2::int8[])[ord] as job_id, ($3::int2[])[ord] as stage,
               ($4::int4[])[ord] as item, ($5::int4[])[ord] as attempt, ($6::int8[])[ord] as worker_id, ($20::int8[])[ord] as token,
               becomes
        from jsonb_to_recordset($22::jsonb -> 'artifacts') as s (ord int8, becomes text)
        where (ord in (select ord from landed)) is true
    ) as s
    where a.run_id = any(array[s.run_id]) and a.stage = s.stage and a.item = s.item and a.attempt = s.attempt
      and a.job_id = s.job_id and a.worker_id = s.worker_id and a.token = s.token and (a.type = 'pending') is true
),
awaited as materialized (
    select j.run_id, j.stage, j.missing + a.change as missing, a.ord
    from (
        select ($1::int8[])[ord] as run_id, stage, sum(change)::int4 as change, min(ord) as ord
        from jsonb_to_recordset($22::jsonb -> 'arrivals') as a (ord int8, stage int2, change int4)
        where (ord in (select ord from landed)) is true
        group by 1, 2
        order by 1, 2
    ) as a
    cross join lateral (
        select * from piton.joins j where j.run_id = a.run_id and j.stage = a.stage for no key update
    ) as j
),
waiting as (
    update piton.joins j set missing = a.missing
    from awaited a
    where a.missing <> 0
      and j.run_id = any(array[a.run_id]) and j.stage = a.stage
),
opened as (
    delete from piton.joins j
    using awaited a
    where a.missing = 0
      and j.run_id = any(array[a.run_id]) and j.stage = a.stage
    returning j.run_id, j.stage, a.ord
),
born as (
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank, due_at)
    select ($1::int8[])[b.ord], ($16::int8[])[b.ord], ($17::int8[])[b.ord], b.stage, b.item, b.until, 'ready',
           ($18::int2[])[b.ord], ($19::timestamptz[])[b.ord]
    from (
        select ord, stage, i as item, least(i + step, until) as until
        from jsonb_to_recordset($22::jsonb -> 'births') as s (ord int8, stage int2, first int4, until int4, step int4)
        cross join lateral generate_series(first, until - 1, step) as i
        where (ord in (select ord from landed)) is true
        union all
        select ord, stage, -1, 0 from opened where stage >= 0
    ) as b
    returning run_id
),
finished as (
    select ($1::int8[])[ord] as run_id, ord from landed where ($21::bool[])[ord]
    union all
    select run_id, ord from opened where stage = -1
),
done as (
    update piton.runs r set state = 'done', finished_at = now()
    from finished f
    where r.id = any(array[f.run_id]) and r.state = 'running'
)
select l.ord,
       (select count(*) from (
            select piton.wake_workers()
            where exists (select from born) or exists (select from kept where state = 'ready')) as woken) > 0 as woke,
       now() as at, (l.ord in (select ord from finished)) is true as ended_run
from landed l
