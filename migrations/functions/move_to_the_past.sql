create or replace function piton.move_to_the_past(
    run bigint, dead_letter uuid, undone smallint[], one_stage smallint, one_item integer, round uuid default null
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    with moved as (
        delete from piton.checkpoints k
        where k.run_id = run and (k.stage = any(undone) or k.stage = one_stage and k.item = one_item)
        returning k.*
    )
    insert into piton.past_checkpoints (run_id, stage, item, attempt, worker_id, started_at, finished_at, bytes, digest,
                                        output, skipped, dead_letter, round)
    select m.run_id, m.stage, m.item, m.attempt, m.worker_id, m.started_at, m.finished_at, m.bytes, m.digest, m.output, m.skipped,
           move_to_the_past.dead_letter, move_to_the_past.round
    from moved m;
    with moved as (
        delete from piton.attempts a
        where a.run_id = run and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item)
        returning a.*
    )
    insert into piton.past_attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at,
                                     ended_at, retry_at, dead_letter, round)
    select m.run_id, m.stage, m.item, m.attempt, m.outcome, m.class, m.message, m.detail, m.worker_id, m.started_at,
           m.ended_at, m.retry_at, move_to_the_past.dead_letter, move_to_the_past.round
    from moved m;
    -- They show what was there before, and are no output of the run any more.
    update piton.artifacts a set type = 'failed'
    where a.run_id = run and a.type not in ('pending', 'failed', 'orphan', 'dead_letter')
      and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item);
    -- Done again means done again: also what a handler had remembered, what a program had finished with, and what was waited for.
    -- A signal that came before anybody waited for it is still to be used; a service is asked anew, and its old token opens nothing.
    delete from piton.steps s
    where s.run_id = run and (s.stage = any(undone) or s.stage = one_stage and s.item = one_item);
    delete from piton.finishes f
    where f.run_id = run and (f.stage = any(undone) or f.stage = one_stage and f.item = one_item);
    delete from piton.callbacks c
    where c.run_id = run and (c.stage = any(undone) or c.stage = one_stage and c.item = one_item);
    delete from piton.waits w
    where w.run_id = run and (w.since is not null or w.kind <> 'signal') and (w.stage = any(undone) or w.stage = one_stage and w.item = one_item);
end
$$;
comment on function piton.move_to_the_past(bigint, uuid, smallint[], smallint, integer, uuid) is 'For Piton itself: makes room for those stages of a run, and for that item, to be done again. Checkpoints and attempts are kept under the dead letter, or under the round that is over; steps and waits are not. Artifacts are failed from then on.';
