-- Notifies the workers that asked for it, if there are any: transactions that notify commit one after another in the whole
-- database (promise 14). Two advisory locks, which are seen in no snapshot, tell both sides of each other:
-- (0x7069746e, 1) whoever makes work shares it until its transaction has ended; a worker tries it alone, for a moment.
-- (0x7069746e, 2) workers share it while they ask for notifications; whoever makes work tries it alone, for a moment.
-- Either this one sees that a worker asks, or that worker sees that this one is under way, and looks again once it has ended.
-- Taken and given back in one expression, between whose parts no statement is interrupted.
-- A worker of an older Piton does not ask, and is always notified. The payload says whether others are under way, too.
create or replace function piton.wake_workers() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_try_advisory_xact_lock_shared(1885959278, 1)
       -- Whom another one keeps out that has it alone knows as well that no worker shares it.
       and (case when pg_try_advisory_lock(1885959278, 2) then pg_advisory_unlock(1885959278, 2)
                 when pg_try_advisory_lock_shared(1885959278, 2) then
                     pg_advisory_unlock_shared(1885959278, 2)
                     and case when pg_try_advisory_lock(1885959278, 2) then pg_advisory_unlock(1885959278, 2) else false end
                 else true end)
       and not exists (select from piton.workers w where w.stopped_at is null and w.only_listens) then
        return;
    end if;
    perform pg_notify('piton_jobs', case when case when pg_try_advisory_lock(1885959278, 1) then pg_advisory_unlock(1885959278, 1)
                                                   else false end then '' else 'contended' end);
end
$$;
comment on function piton.wake_workers() is 'For Piton itself: with the caller''s transaction, wakes the workers that wait for work, and notifies nobody where none does.';
