-- One claim at a time decides under a limit: it holds the limit's row, and counts in a snapshot that is newer than the lock, so
-- that it sees whatever the one before it has claimed. Who finds the row locked goes on with the next limit: nobody waits here,
-- and so nobody who was stopped in the middle can make others wait. Where a transaction has one snapshot for all its
-- statements, the update makes the database refuse the slower of two. What waits under the row of a stage that has no limit (it was
-- paused, or left to workers that have what it needs) is claimed by all at once.
--
-- A worker leaves room to others that could use it (piton.limit_share), wakes them, and takes what they have left after a tenth of
-- a second: else the one that ends an attempt, which knows of the room first, would always begin the next one, too.
--
-- A limit on each worker (piton.worker_room) only caps what one takes: what it leaves stays set aside, for the others.
--
-- The token is that of claim.sql; the previous release's workers give none. The lock on the worker's row is that of claim.sql, and like there no payload is read.
create or replace function piton.claim_limited(
    worker bigint, workflows bigint[], at_most integer, lacks_versions bigint[], lacks_stages smallint[], waiting text,
    claim_token bigint default null
) returns table (
    run_id bigint, id bigint, workflow_id bigint, version_id bigint, stage smallint, item integer, until integer, attempt integer,
    token bigint, since timestamptz, rank smallint, due_at timestamptz, claimable_since timestamptz, again_ms bigint
)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    patience constant interval := '100 milliseconds';
    free integer := at_most;
    again interval;
    candidate record;
    allowed record;
    here integer;
    moment timestamptz;
    most integer;
    share integer;
    has_others boolean;
    left_since timestamptz;
    leaves_room boolean;
    is_new boolean;
    claimed integer;
    wakes_others boolean := false;
begin
    perform from piton.workers w where w.id = worker and w.stopped_at is null for share;
    if not found then
        return;
    end if;
    for candidate in
        select s.id, head.versions, head.version_id, head.stage,
               num_nonnulls(s.concurrency, s.per_worker, s.rate_attempts) > 0 as limits,
               num_nonnulls(s.concurrency, s.rate_attempts) > 0 as is_shared
        from piton.stage_limits s
        cross join lateral (
            select array_agg(h.version_id) as versions, min(h.rank) as rank, min(h.due_at) as due_at,
                   (array_agg(h.version_id order by h.rank, h.due_at))[1] as version_id,
                   (array_agg(h.stage order by h.rank, h.due_at))[1] as stage
            from piton.limit_heads(s.id, waiting, lacks_versions, lacks_stages) as h
        ) as head
        where head.versions is not null
          and s.workflow_id = any(workflows)
          and not exists (
              select from piton.pauses p
              where p.workflow_id = any(array[s.workflow_id, 0]) and p.stage = any(array['', s.stage]))
        order by head.rank, head.due_at
    loop
        exit when free <= 0;
        moment := clock_timestamp();
        select r.* into allowed from piton.limit_room(candidate.id, moment) r;
        select r.room into here from piton.worker_room(candidate.id, worker) r;
        if not (allowed.room > 0 and here > 0) then
            -- Where it is for those that run, their ends make room.
            again := least(again, allowed.wait);
            continue;
        end if;
        share := null;
        if candidate.limits then
            perform from piton.stage_limits s where s.id = any(array[candidate.id]) for no key update skip locked;
            if not found then
                again := least(again, interval '20 milliseconds');
                continue;
            end if;
            moment := clock_timestamp();
            select r.* into allowed from piton.limit_room(candidate.id, moment) r;
            select r.room into here from piton.worker_room(candidate.id, worker) r;
            -- Suspects run in processes that nobody shares anything with. Where each worker has a limit of its own, none has
            -- to leave room to others.
            if candidate.is_shared and allowed.room > 0 and waiting = 'limited' then
                share := piton.limit_share(candidate.id, worker, allowed.room, candidate.version_id, candidate.stage);
            end if;
        end if;
        most := least(free, allowed.room, here);
        has_others := share is not null;
        left_since := null;
        if share < most then
            select s.left_at into left_since from piton.stage_limits s where s.id = any(array[candidate.id]);
            if left_since <= moment - patience then
                share := null;
            end if;
        end if;
        leaves_room := coalesce(share < most, false);
        if leaves_room then
            most := share;
            again := least(again, coalesce(left_since, moment) + patience - moment);
        end if;
        return query
        with picked as materialized (
            select p.run_id, p.id, p.since
            from unnest(candidate.versions) as v (id)
            cross join lateral (
                select j.run_id, j.id, j.since, j.rank, j.due_at
                from piton.jobs j
                where j.limit_id = candidate.id and j.state = waiting and j.version_id = v.id
                  and piton.can_begin(j.attempt, j.stage, j.item)
                order by j.rank, j.due_at, j.id
                limit most
                for no key update skip locked
            ) as p
            order by p.rank, p.due_at, p.id
            limit most
        )
        update piton.jobs j
        set state = 'running', worker_id = worker, token = claim_token, attempt = j.attempt + 1, since = moment
        from picked p
        where j.run_id = any(array[p.run_id]) and j.id = p.id
        returning j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.attempt, j.token, j.since, j.rank,
                  j.due_at, p.since, null::int8;
        get diagnostics claimed = row_count;
        free := free - claimed;
        is_new := leaves_room and (claimed > 0 or left_since is null);
        if is_new or claimed > 0 and (allowed.spacing is not null or has_others
                                      or candidate.limits and current_setting('transaction_isolation') <> 'read committed') then
            update piton.stage_limits s
            set next_at = case when claimed > 0 and allowed.spacing is not null
                               then greatest(s.next_at, moment - (allowed.burst - 1) * allowed.spacing) + claimed * allowed.spacing
                               else s.next_at end,
                turns = case when claimed > 0 and has_others
                             then (array_remove(s.turns, worker) || worker)[greatest(1, cardinality(s.turns) - 62):]
                             else s.turns end,
                left_at = case when leaves_room then moment end
            where s.id = any(array[candidate.id])
            returning case when s.next_at > moment then s.next_at - moment end into allowed.wait;
        end if;
        wakes_others := wakes_others or is_new;
        again := least(again, allowed.wait);
    end loop;
    if wakes_others then
        perform piton.wake_workers();
    end if;
    if free = at_most and again is not null then
        -- Whoever has claimed asks again in time; all others together ask no more than two hundred times a second.
        again := greatest(again, (select count(*) from piton.workers w where w.stopped_at is null) * interval '5 milliseconds');
    end if;
    if again is not null then
        again_ms := ceil(extract(epoch from again) * 1000);
        return next;
    end if;
end
$$;
comment on function piton.claim_limited(bigint, bigint[], integer, bigint[], smallint[], text, bigint) is 'For Piton itself: claims jobs that wait under limits of their stages (limited, or suspect), as many as the limits allow and at_most in all. A last row without a job says in how many milliseconds to ask again.';
