-- Called with the parent's row locked, shared at least. The wait is locked before its job, as by everybody who waits for locks here.
create or replace function piton.end_child_wait(
    parent bigint, stage smallint, item integer, child bigint, outcome text, payload json
) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    waiting bigint;
begin
    update piton.waits w
    set outcome = end_child_wait.outcome, ended_at = now(), payload = end_child_wait.payload,
        digest = sha256(convert_to(end_child_wait.payload::text, 'UTF8'))
    where w.run_id = end_child_wait.parent and w.stage = end_child_wait.stage and w.item = end_child_wait.item
      and w.child_id = end_child_wait.child and w.outcome is null
    returning w.job_id into waiting;
    if not found then
        return false;
    end if;
    -- A statement of its own: it sees the job as it is, now that its wait is locked.
    update piton.jobs j set state = 'ready', since = now()
    where j.run_id = end_child_wait.parent and j.id = waiting and j.stage = end_child_wait.stage and j.item = end_child_wait.item
      and j.state = 'waiting';
    if found then
        perform piton.wake_workers();
    end if;
    return true;
end
$$;
comment on function piton.end_child_wait(bigint, smallint, integer, bigint, text, json) is 'For Piton itself: ends the wait of a stage for the run that it started, if it still waits for that one, and makes its job ready. Returns whether it did.';
