-- Called with the run's row locked, behind the end of the last job of the round: of its stages none has a live job. What comes behind
-- the last one has not begun, so that joins are written anew for all that is behind the first.
create or replace function piton.next_round(run bigint, last smallint, rank smallint, due_at timestamptz, why text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    r piton.runs;
    begins smallint;
    members smallint[];
    over uuid := piton.new_id();
begin
    select o.* into strict r from piton.runs o where o.id = next_round.run;
    select s.begins, s.members into begins, members from piton.round_stages(r.version_id, next_round.last) s;
    insert into piton.rounds (run_id, stage, id, round, why)
    select r.id, next_round.last, over, 1 + count(*), next_round.why
    from piton.rounds o
    where o.run_id = r.id and o.stage = next_round.last and o.dead_letter is null;
    with moved as (
        delete from piton.checkpoints k where k.run_id = r.id and k.stage = any(members) returning k.*
    )
    insert into piton.round_checkpoints (run_id, stage, item, attempt, worker_id, started_at, finished_at, bytes, digest, output,
                                         skipped, round)
    select m.run_id, m.stage, m.item, m.attempt, m.worker_id, m.started_at, m.finished_at, m.bytes, m.digest, m.output, m.skipped, over
    from moved m;
    with moved as (
        delete from piton.attempts a where a.run_id = r.id and a.stage = any(members) returning a.*
    )
    insert into piton.round_attempts (run_id, stage, item, attempt, outcome, class, message, detail, worker_id, started_at, ended_at,
                                      retry_at, round)
    select m.run_id, m.stage, m.item, m.attempt, m.outcome, m.class, m.message, m.detail, m.worker_id, m.started_at, m.ended_at,
           m.retry_at, over
    from moved m;
    perform piton.forget_stages(r.id, members, null, null);
    -- What was tolerated is tried again with the others.
    update piton.dead_letters d
    set done_again = true,
        resolution = case d.resolution when 'tolerated' then 'retried' else d.resolution end,
        resolved_at = case d.resolution when 'tolerated' then now() else d.resolved_at end,
        note = case d.resolution when 'tolerated' then 'another round began' else d.note end
    where d.run_id = r.id and d.stage = any(members) and not d.done_again and d.resolution <> 'pending';
    perform piton.renew_joins(r.id, r.version_id, piton.stages_behind(r.version_id, array[begins]), array[begins]);
    -- Another round is other work: its idempotency keys are others.
    update piton.runs o
    set redone = array(select coalesce(r.redone[s.stage + 1], 0::int2) + (s.stage = any(members))::int4
                       from piton.stages_of(r.version_id) s order by s.stage)
    where o.id = r.id;
    insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank, due_at)
    values (r.id, (select v.workflow_id from piton.workflow_versions v where v.id = r.version_id), r.version_id, begins, 'ready', next_round.rank, next_round.due_at);
    perform piton.wake_workers();
end
$$;
comment on function piton.next_round(bigint, smallint, smallint, timestamptz, text) is 'For Piton itself: puts the round that this stage has ended into the past, and begins the next one, in the same transaction.';
