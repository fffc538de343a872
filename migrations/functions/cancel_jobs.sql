-- Called with the run's row locked. A commit that only hands a job on does not lock that row, and neither does what frees
-- the jobs of a dead worker, which may put the rest of a branch beside them. So each pass looks anew until one finds
-- nothing: whatever makes a job of these stages now makes it of one that it has locked, and a pass waits for that lock.
create or replace function piton.cancel_jobs(run bigint, stages smallint[] default null) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found_some boolean;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'jobs are cancelled in a transaction that is read committed, and this one is %',
            current_setting('transaction_isolation')
            using errcode = 'invalid_transaction_state', hint = 'Begin it with: begin isolation level read committed.';
    end if;
    loop
        with gone as (
            delete from piton.jobs j
            where j.run_id = cancel_jobs.run and (cancel_jobs.stages is null or j.stage = any(cancel_jobs.stages))
            returning j.run_id, j.stage, j.item, j.attempt, j.state, j.worker_id, j.since
        ),
        recorded as (
            insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at)
            select g.run_id, g.stage, g.item, g.attempt, 'cancelled', g.worker_id, piton.finite(g.since)
            from gone g
            -- Of a job that no attempt can be of, none is on record.
            where g.state = 'running' and g.attempt > 0 and g.stage >= 0 and g.item >= -1 and g.worker_id is not null
            on conflict do nothing
        )
        select exists (select from gone) into found_some;
        exit when not found_some;
    end loop;
    -- With its job, a wait is over; an answer to it is on record, if there was one. No job of these stages begins to wait any more.
    update piton.waits w set outcome = 'cancelled', ended_at = now()
    where w.run_id = cancel_jobs.run and w.outcome is null and (cancel_jobs.stages is null or w.stage = any(cancel_jobs.stages));
    perform piton.end_children(cancel_jobs.run, cancel_jobs.stages);
    -- A statement of its own: an artifact that was announced while a pass waited for its job is seen only now.
    update piton.artifacts a set type = 'orphan'
    where a.run_id = cancel_jobs.run and a.type = 'pending'
      and (cancel_jobs.stages is null or a.stage = any(cancel_jobs.stages));
end
$$;
comment on function piton.cancel_jobs(bigint, smallint[]) is 'For Piton itself: ends the live jobs of a run whose row is locked, of those stages or of all. What runs is fenced, and remembered as a cancelled attempt; its artifacts are orphans.';
