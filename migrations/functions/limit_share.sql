-- As many as leave the others as many: what runs and what may begin is divided by all who could run it and have a slot free.
-- What is left over by the division goes to whoever has begun nothing for longest. More than sixteen others are not asked
-- about: who they are changes from call to call.
--
-- The caller holds the limit's row, so that nobody else decides at the same time.
create or replace function piton.limit_share(
    limit_id bigint, worker bigint, room integer, version_id bigint, stage smallint
) returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        with held as materialized (
            select j.worker_id, count(*) as attempts
            from piton.jobs j
            where j.limit_id = any(array[limit_share.limit_id]) and j.state >= 'running' and j.state <= 'running'
            group by j.worker_id
        ),
        candidate as materialized (
            select w.id, w.slots, coalesce(array_position(s.turns, w.id), 0) as turn
            from piton.stage_limits s
            join piton.workers w
                on w.stopped_at is null and w.stopping_at is null and w.parent is null and w.id <> limit_share.worker
               -- Of one that was not heard of lately nothing is expected.
               and w.last_seen > now() - coalesce(w.lease, interval '15 seconds') / 2
               and s.workflow_id = any(w.serves)
               and not exists (
                   select from unnest(w.lacks_versions, w.lacks_stages) as u (version_id, stage)
                   where u.version_id = limit_share.version_id and u.stage = limit_share.stage)
            where s.id = any(array[limit_share.limit_id])
            order by turn, random()
            limit 16
        ),
        other as materialized (
            select c.turn, coalesce(h.attempts, 0) as attempts
            from candidate c
            left join held h on h.worker_id = c.id
            where (select count(*) from (select from piton.jobs j
                                         where j.worker_id = c.id and j.state = 'running' limit c.slots) as busy) < c.slots
        ),
        mine as materialized (
            select coalesce((select h.attempts from held h where h.worker_id = limit_share.worker), 0) as attempts,
                   coalesce((select array_position(s.turns, limit_share.worker) from piton.stage_limits s
                             where s.id = any(array[limit_share.limit_id])), 0) as turn
        ),
        total as materialized (
            select t.attempts / (t.others + 1) as each, t.attempts % (t.others + 1) as over
            from (
                select m.attempts + limit_share.room + sum(o.attempts)::bigint as attempts, count(*) as others
                from other o cross join mine m
                group by m.attempts
            ) as t
        )
        select greatest(0, t.each - m.attempts + case
                   when t.over - greatest(m.attempts - t.each, 0) - (select sum(greatest(o.attempts - t.each, 0)) from other o)
                        > (select count(*) from other o where o.attempts <= t.each and o.turn < m.turn)
                   then 1 else 0 end)::integer
        from total t cross join mine m
    );
end
$$;
comment on function piton.limit_share(bigint, bigint, integer, bigint, smallint) is 'For Piton itself: how many attempts of a stage a worker begins under its limit, of as many as the limit has room for, so that others which have free slots begin as many. Empty where there are no others.';
