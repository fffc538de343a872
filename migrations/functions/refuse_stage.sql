create or replace function piton.refuse_stage(dead_letter uuid, stage text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    own text;
    number smallint;
    names text;
    undone text;
begin
    select d.* into strict letter from piton.dead_letters d where d.id = refuse_stage.dead_letter;
    select s.stage into number from piton.stages_of(letter.version_id) s where s.name = refuse_stage.stage;
    if not found then
        select string_agg(s.name, ', ' order by s.stage) into names from piton.stages_of(letter.version_id) s;
        raise exception 'the workflow of dead letter % has no stage "%"', letter.id, piton.quoted(stage)
            using errcode = 'undefined_object', detail = 'It has: ' || names || '.',
                  hint = 'Name one of them, or say from_beginning => true.';
    end if;
    select s.name into own from piton.stages_of(letter.version_id) s where s.stage = letter.stage;
    if letter.stage <> all(piton.stages_behind(letter.version_id, array[number])) then
        select string_agg(s.name, ', ' order by s.stage) into names from piton.stages_of(letter.version_id) s
        where letter.stage = any(piton.stages_behind(letter.version_id, array[s.stage]));
        raise exception 'dead letter % is of stage "%", which does not come after stage "%"', letter.id, own, piton.quoted(stage)
            using errcode = 'invalid_parameter_value', detail = 'It can be retried from: ' || names || '.',
                  hint = 'Name one of them, or say from_beginning => true.';
    end if;
    select string_agg(n.name, ', ' order by n.stage) into undone
    from piton.stages_of(letter.version_id) s
    join piton.stages_of(letter.version_id) n on n.stage = any(s.needs)
    join piton.arrivals_missing(letter.run_id, letter.version_id, '{}') a on a.stage = n.stage
    where s.stage = number and a.missing is distinct from 0;
    if undone is not null then
        raise exception 'stage "%" cannot be done again: what it needs is not done', stage
            using errcode = 'object_not_in_prerequisite_state', detail = 'Without their checkpoints: ' || undone || '.',
                  hint = 'Name one of those, or say from_beginning => true.';
    end if;
end
$$;
comment on function piton.refuse_stage(uuid, text) is 'For Piton itself: says why a dead letter cannot be retried from that stage, and from which it can; nothing where it can.';
