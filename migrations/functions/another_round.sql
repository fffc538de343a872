-- Called with the run's row locked. What the last stage had returned is in the detail of its failure, and becomes a part of the round that is
-- over, so that the next one sees it. Where the run went on without it, what comes behind is taken back first.
create or replace function piton.another_round(dead_letter uuid, actor text, note text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    ended piton.attempts;
    begins smallint;
    behind smallint[];
    output text;
begin
    select d.* into strict letter from piton.dead_letters d where d.id = another_round.dead_letter;
    select s.begins into begins from piton.round_stages(letter.version_id, letter.stage) s;
    select a.* into strict ended
    from piton.attempts a
    where a.run_id = letter.run_id and a.stage = letter.stage and a.item = letter.item and a.attempt = letter.attempt;
    output := ended.detail ->> 'output';
    behind := array_remove(piton.stages_behind(letter.version_id, array[letter.stage]), letter.stage);
    perform piton.cancel_jobs(letter.run_id, piton.stages_behind(letter.version_id, array[begins]));
    perform piton.move_to_the_past(letter.run_id, letter.id, behind, null, null);
    update piton.dead_letters d
    set resolution = case when d.resolution in ('pending', 'tolerated') then 'retried' else d.resolution end,
        resolved_at = case when d.resolution in ('pending', 'tolerated') then now() else d.resolved_at end,
        resolved_by = case when d.resolution in ('pending', 'tolerated') then another_round.actor else d.resolved_by end,
        note = case when d.id = letter.id then another_round.note
                    when d.resolution in ('pending', 'tolerated')
                    then 'done again with dead letter ' || letter.id || coalesce(': ' || another_round.note, '')
                    else d.note end,
        done_again = true
    where d.run_id = letter.run_id and not d.done_again and (d.id = letter.id or d.stage = any(behind));
    -- Where it was tolerated, a skip stands in place of the checkpoint.
    delete from piton.checkpoints k where k.run_id = letter.run_id and k.stage = letter.stage and k.item = letter.item;
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    select ended.run_id, ended.stage, ended.item, ended.attempt, ended.worker_id, ended.started_at, octet_length(output),
           sha256(convert_to(output, 'UTF8')), output::json
    where output is not null;
    perform piton.next_round(letter.run_id, letter.stage, letter.rank, now(), letter.message);
    update piton.runs r
    set redone = array(select r.redone[s.stage + 1] + (s.stage = any(behind))::int4
                       from piton.stages_of(letter.version_id) s order by s.stage)
    where r.id = letter.run_id and letter.resolution = 'tolerated';
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select another_round.actor, 'redo', 'run', r.uuid,
           jsonb_build_object('dead_letter', letter.id,
               'stage', (select s.name from piton.stages_of(letter.version_id) s where s.stage = begins))
    from piton.runs r
    where r.id = letter.run_id;
end
$$;
comment on function piton.another_round(uuid, text, text) is 'For Piton itself: begins one round more for a dead letter whose rounds are used up.';
