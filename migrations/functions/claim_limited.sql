-- One claim at a time decides under a limit: it holds the limit's row, and counts in a snapshot that is newer than the lock, so
-- that it sees whatever the one before it has claimed. Who finds the row locked goes on with the next limit: nobody waits here,
-- and so nobody who was stopped in the middle can make others wait. Where a transaction has one snapshot for all its
-- statements, the update makes the database refuse the slower of two.
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
    free integer := at_most;
    again interval;
    candidate bigint;
    allowed record;
    moment timestamptz;
    claimed integer;
begin
    perform from piton.workers w where w.id = worker and w.stopped_at is null for share;
    if not found then
        return;
    end if;
    for candidate in
        select s.id
        from piton.stage_limits s
        cross join lateral (
            select j.rank, j.due_at
            from piton.jobs j
            where j.limit_id = s.id and j.state = waiting
              and j.attempt between 0 and 2147483646 and j.stage >= 0 and j.item >= -1
              and not exists (
                  select from unnest(lacks_versions, lacks_stages) as u (version_id, stage)
                  where u.version_id = j.version_id and u.stage = j.stage)
            order by j.rank, j.due_at, j.id
            limit 1
        ) as head
        where s.workflow_id = any(workflows)
          and not exists (
              select from piton.pauses p
              where p.workflow_id = any(array[s.workflow_id, 0]) and p.stage = any(array['', s.stage]))
        order by head.rank, head.due_at
    loop
        exit when free <= 0;
        moment := clock_timestamp();
        select r.* into allowed from piton.limit_room(candidate, moment) r;
        if not allowed.room > 0 then
            -- Where it is for those that run, their ends make room.
            again := least(again, allowed.wait);
            continue;
        end if;
        perform from piton.stage_limits s where s.id = any(array[candidate]) for no key update skip locked;
        if not found then
            again := least(again, interval '20 milliseconds');
            continue;
        end if;
        moment := clock_timestamp();
        select r.* into allowed from piton.limit_room(candidate, moment) r;
        return query
        with picked as materialized (
            select j.run_id, j.id, j.since
            from piton.jobs j
            where j.limit_id = candidate and j.state = waiting
              and j.attempt between 0 and 2147483646 and j.stage >= 0 and j.item >= -1
              and not exists (
                  select from unnest(lacks_versions, lacks_stages) as u (version_id, stage)
                  where u.version_id = j.version_id and u.stage = j.stage)
            order by j.rank, j.due_at, j.id
            limit least(free, allowed.room)
            for no key update skip locked
        )
        update piton.jobs j
        set state = 'running', worker_id = worker, token = claim_token, attempt = j.attempt + 1, since = moment
        from picked p
        where j.run_id = any(array[p.run_id]) and j.id = p.id
        returning j.run_id, j.id, j.workflow_id, j.version_id, j.stage, j.item, j.until, j.attempt, j.token, j.since, j.rank,
                  j.due_at, p.since, null::int8;
        get diagnostics claimed = row_count;
        free := free - claimed;
        if claimed > 0 and allowed.spacing is not null then
            update piton.stage_limits s
            set next_at = greatest(s.next_at, moment - (allowed.burst - 1) * allowed.spacing) + claimed * allowed.spacing
            where s.id = any(array[candidate])
            returning greatest(s.next_at - moment, interval '0') into allowed.wait;
        elsif claimed > 0 and current_setting('transaction_isolation') <> 'read committed' then
            update piton.stage_limits s set next_at = s.next_at where s.id = any(array[candidate]);
        end if;
        again := least(again, allowed.wait);
    end loop;
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
