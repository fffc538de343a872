create or replace function piton.move_to_the_past(
    run bigint, dead_letter uuid, undone smallint[], one_stage smallint, one_item integer
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
                                        output, skipped, dead_letter)
    select m.run_id, m.stage, m.item, m.attempt, m.worker_id, m.started_at, m.finished_at, m.bytes, m.digest, m.output, m.skipped,
           move_to_the_past.dead_letter
    from moved m;
    with moved as (
        delete from piton.attempts a
        where a.run_id = run and (a.stage = any(undone) or a.stage = one_stage and a.item = one_item)
        returning a.*
    )
    insert into piton.past_attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at,
                                     ended_at, retry_at, dead_letter)
    select m.run_id, m.stage, m.item, m.attempt, m.outcome, m.class, m.message, m.detail, m.worker_id, m.started_at,
           m.ended_at, m.retry_at, move_to_the_past.dead_letter
    from moved m;
    perform piton.forget_stages(run, undone, one_stage, one_item);
end
$$;
comment on function piton.move_to_the_past(bigint, uuid, smallint[], smallint, integer) is 'For Piton itself: makes room for those stages of a run, and for that item, to be done again. Checkpoints and attempts are kept under the dead letter; steps and waits are not. Artifacts are failed from then on.';
