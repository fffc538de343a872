-- Called with the run's row locked, behind the retry. Items that are still to be done would be looked up in another array
-- than the one that was split.
create or replace function piton.correct_input(dead_letter uuid, input json, keys_before smallint[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    half_done text;
begin
    select d.* into strict letter from piton.dead_letters d where d.id = correct_input.dead_letter;
    select s.name into half_done
    from piton.stages_of(letter.version_id) s
    join piton.arrivals_missing(letter.run_id, letter.version_id, '{}') a on a.stage = s.stage
    join piton.checkpoints k on k.run_id = letter.run_id and k.stage = s.stage and k.item = -1
    where s.over_input and a.missing is distinct from 0
    limit 1;
    if found then
        raise exception 'stage "%" is half done with the items of the input that the run had: retry it from stage "%", or from the beginning', half_done, half_done
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('from_stage => %L, or from_beginning => true.', half_done);
    end if;
    update piton.dead_letters d set input_before = r.input
    from piton.runs r
    where d.id = letter.id and r.id = letter.run_id;
    update piton.runs r
    set input = correct_input.input,
        redone = array(select coalesce(keys_before[s.stage + 1], 0::int2) + 1
                       from piton.stages_of(letter.version_id) s order by s.stage)
    where r.id = letter.run_id;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select letter.resolved_by, 'correct_input', 'run', r.uuid, jsonb_build_object('dead_letter', letter.id)
    from piton.runs r
    where r.id = letter.run_id;
    -- What unfinished jobs had remembered was made of the old input.
    delete from piton.steps s
    where s.run_id = letter.run_id
      and not exists (select from piton.checkpoints k where k.run_id = s.run_id and k.stage = s.stage and k.item = s.item);
    delete from piton.finishes f
    where f.run_id = letter.run_id and f.output is not null
      and not exists (select from piton.checkpoints k where k.run_id = f.run_id and k.stage = f.stage and k.item = f.item);
    -- A job that splits the old input at this moment begins anew with the other one.
    with back as (
        update piton.jobs j
        set state = 'ready', worker_id = null, limit_id = null, since = now()
        from piton.jobs old
        where j.run_id = letter.run_id and j.item = -1 and j.state = 'running'
          and j.stage in (select s.stage from piton.stages_of(letter.version_id) s where s.over_input)
          and old.run_id = j.run_id and old.id = j.id
        returning old.run_id, old.stage, old.item, old.attempt, old.worker_id, old.since
    )
    insert into piton.attempts (run_id, stage, item, attempt, outcome, worker_id, started_at)
    select b.run_id, b.stage, b.item, b.attempt, 'released', b.worker_id, b.since from back b;
end
$$;
comment on function piton.correct_input(uuid, json, smallint[]) is 'For Piton itself: gives the run of a dead letter another input from now on, and new idempotency keys. The old input is kept in the dead letter.';
