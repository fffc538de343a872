-- The end of a child answers its parent in one transaction. But for a worker of a release that knows of no children: what it ends is found
-- here. Of many open waits the oldest are looked at, and as many from some place on, so that each has its turn and no look is long.
create or replace function piton.settle_children(most integer default 1000) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    due record;
    settled bigint := 0;
begin
    for due in
        select w.run_id, w.stage, w.item, w.child_id, w.name, c.id is null as is_gone
        from (
            (select w.run_id, w.stage, w.item, w.child_id, w.name from piton.waits w
             where w.kind = 'run' and w.ended_at is null order by w.since limit most)
            union
            (select w.run_id, w.stage, w.item, w.child_id, w.name from piton.waits w
             where w.kind = 'run' and w.ended_at is null
               and w.since >= (select min(o.since) + random() * (now() - min(o.since)) from piton.waits o
                               where o.kind = 'run' and o.ended_at is null)
             order by w.since limit most)
        ) as w
        left join piton.runs c on c.id = w.child_id
        where c.id is null or c.state in ('done', 'failed', 'cancelled')
    loop
        -- Whoever decides about the parent now deals with its waits.
        perform from piton.runs p where p.id = due.run_id for key share skip locked;
        continue when not found;
        if due.is_gone then
            settled := settled + piton.end_child_wait(
                due.run_id, due.stage, due.item, due.child_id, 'failed',
                json_build_object('run', coalesce(due.child_id::text, ''), 'workflow', due.name, 'state', 'gone',
                                  'message', 'it is not there any more'))::int4;
        else
            settled := settled + piton.answer_parent(due.child_id)::int4;
        end if;
    end loop;
    return settled;
end
$$;
comment on function piton.settle_children(integer) is 'For Piton itself: ends waits for runs that have ended without telling whoever started them, which only workers of an older Piton leave. Returns how many.';
