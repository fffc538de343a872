-- Jobs begin to wait, those whose claims still hold (promise 2): the wait is on record and the job `waiting` in one transaction, and
-- from then on nothing is held for it. Returns the ordinals that landed; with each, whether its wait is over already, for an answer may
-- come early (its job is ready then), and in how many milliseconds it ends by itself.
--
-- $1 to $7 are the fence, an array each; $8 to $11 kind, name, beginning and deadline of the wait; $12 to $16 of a service its handle,
-- when the wait times out, how long it may say nothing, and what was wrong with how many of the last polls. A wait that is on record
-- is found again as it is, also with another deadline (promise 12); one that an attempt has ended with in vain begins anew. One whose
-- service was to be asked again goes on until it is to be asked the next time.
--
-- The attempt goes on when the wait is over, under its number. Items behind the job in its branch do not wait with it: they become
-- a branch of their own.
--
-- An answer that is just coming, in a transaction that is open, is waited for only a moment: then the statement fails, and is sent
-- again (see src/store/waits.rs).
--
-- Locks: the runs that get new jobs (shared), own job rows in (run, job) order, their waits. Whoever ends a wait and must wait for
-- locks takes the run's row, the wait and then the job; of a job that runs they want no lock.
with patience as materialized (
    select set_config('lock_timeout', '100ms', true) as said
),
claim as materialized (
    select ord, ($1::int8[])[ord] as run_id, ($2::int8[])[ord] as job_id, ($3::int2[])[ord] as stage,
           ($4::int4[])[ord] as item, ($5::int4[])[ord] as attempt, ($6::int8[])[ord] as worker_id,
           ($7::int8[])[ord] as token, kind
    from patience
    cross join lateral unnest($8::text[]) with ordinality as c (kind, ord)
    where patience.said is not null
),
growing as materialized (
    select r.id
    from (select distinct c.run_id from claim c where c.item >= 0 order by 1) as o
    cross join lateral (select id from piton.runs where id = o.run_id for key share) as r
),
held as materialized (
    select c.ord, c.run_id, c.job_id, c.stage, c.item, c.attempt, c.kind, j.until, j.workflow_id, j.version_id, j.rank, j.due_at
    from claim c
    cross join lateral (
        select j.until, j.workflow_id, j.version_id, j.rank, j.due_at
        from piton.jobs j
        where j.run_id = any(array[c.run_id]) and j.id = c.job_id
          and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id and j.token = c.token
        for no key update
    ) as j
    where (select count(*) from growing) >= 0
),
begun as (
    insert into piton.waits as w (run_id, stage, item, job_id, attempt, kind, name, since, deadline, handle, latest, silence_ms,
                                  polls, misses, trouble)
    select h.run_id, h.stage, h.item, h.job_id, h.attempt, h.kind, ($9::text[])[h.ord], ($10::timestamptz[])[h.ord],
           ($11::timestamptz[])[h.ord], ($12::text[])[h.ord]::json, ($13::timestamptz[])[h.ord], ($14::int8[])[h.ord],
           case h.kind when 'poll' then 0 end, ($15::int4[])[h.ord], ($16::text[])[h.ord]
    from held h
    on conflict (run_id, stage, item) do update set
        job_id = excluded.job_id, attempt = excluded.attempt, kind = excluded.kind, name = excluded.name,
        handle = coalesce(excluded.handle, w.handle), silence_ms = excluded.silence_ms, misses = excluded.misses,
        trouble = excluded.trouble,
        (since, latest, deadline, polls, heard_at, progress, outcome, ended_at, answered_by, role, digest, payload, child_id) = (
            select case when s.anew then excluded.since else w.since end,
                   case when s.anew then excluded.latest else w.latest end,
                   case when s.anew or s.is_due then excluded.deadline else w.deadline end,
                   case when s.anew then excluded.polls else w.polls + s.is_due::int4 end,
                   case when not s.anew then w.heard_at end, case when not s.anew then w.progress end,
                   case when s.keeps then w.outcome end, case when s.keeps then w.ended_at end,
                   case when s.keeps then w.answered_by end, case when s.keeps then w.role end,
                   case when s.keeps then w.digest end, case when s.keeps then w.payload end,
                    case when s.keeps then w.child_id end
            from (
                select o.spent or w.since is null as anew, o.is_due, not o.spent and not o.is_due as keeps
                from (
                    select piton.wait_is_spent(w.run_id, w.stage, w.item, w.attempt, w.outcome) as spent,
                           w.outcome is not distinct from 'due' as is_due
                ) as o
            ) as s)
    returning w.run_id, w.stage, w.item, w.deadline, w.outcome
),
moved as (
    -- A suspect is cleared, as by any end of its attempt but death. It keeps its place: what comes back is older than most.
    update piton.jobs j
    set state = case when b.outcome is null then 'waiting' else 'ready' end,
        attempt = h.attempt - 1, until = h.item + 1, deaths = 0, worker_id = null, limit_id = null, since = now(),
        progress_done = null, progress_of = null, progress_note = null
    from held h
    join begun b on b.run_id = h.run_id and b.stage = h.stage and b.item = h.item
    where j.run_id = any(array[h.run_id]) and j.id = h.job_id
    returning h.ord, j.state, b.deadline
),
rest as (
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank, due_at)
    select h.run_id, h.workflow_id, h.version_id, h.stage, h.item + 1, h.until, 'ready', h.rank, h.due_at
    from held h
    where h.item >= 0 and h.until > h.item + 1
    returning 1
)
select m.ord, m.state = 'ready' as is_over,
       ceil(extract(epoch from least(greatest(m.deadline, now()), now() + interval '1 day') - now()) * 1000)::int8 as ends_in_ms,
       (select count(*) from (
            select piton.wake_workers()
            where exists (select from rest) or exists (select from moved where state = 'ready')) as woken) > 0 as woke
from moved m
