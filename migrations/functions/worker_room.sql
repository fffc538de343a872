-- What a worker has running alone runs beside its other attempts, on the same machine. Like piton.limit_room it is put into the
-- statement that calls it, so each name in it says its schema; what runs is only counted where there is such a limit.
create or replace function piton.worker_room(limit_id bigint, worker bigint) returns table (room integer)
language sql stable
as $$
    select case when s.per_worker is null then 2147483647
                else greatest(s.per_worker operator(pg_catalog.-) (
                    select pg_catalog.count(*) from piton.jobs j
                    where j.limit_id operator(pg_catalog.=) any(array[s.id])
                      and j.state operator(pg_catalog.>=) 'running' and j.state operator(pg_catalog.<=) 'running'
                      and exists (
                          select from piton.workers me
                          join piton.workers o
                              on coalesce(o.parent, o.id) operator(pg_catalog.=) coalesce(me.parent, me.id)
                          where me.id operator(pg_catalog.=) any(array[worker_room.worker])
                            and o.id operator(pg_catalog.=) any(array[j.worker_id]))
                ), 0)::integer end
    from piton.stage_limits s
    where s.id operator(pg_catalog.=) any(array[worker_room.limit_id])
$$;
comment on function piton.worker_room(bigint, bigint) is 'For Piton itself: how many more attempts of a stage may begin on a worker under its limit per worker.';
