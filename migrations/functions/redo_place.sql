-- Where a dead letter begins again: at the stage that is named, or at what made the checkpoint that its last attempt
-- found to be corrupt; a step of its own is its own. Where the rounds were used up, at the first stage of another one. Empty where it goes on from its last checkpoint.
create or replace function piton.redo_place(dead_letter uuid, from_stage text)
returns table (stage smallint, item integer)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    proof json;
    place record;
begin
    select d.* into letter from piton.dead_letters d where d.id = redo_place.dead_letter;
    if from_stage is null and letter.class = 'corrupt_checkpoint' then
        select a.detail into proof from piton.attempts a
        where a.run_id = letter.run_id and a.stage = letter.stage and a.item = letter.item and a.attempt = letter.attempt;
        if proof ->> 'step' is not null then
            return query select letter.stage, nullif(letter.item, -1);
            return;
        end if;
    end if;
    if from_stage is null and letter.class = 'not_good_enough' then
        return query select s.begins, null::int4 from piton.round_stages(letter.version_id, letter.stage) s;
        return;
    end if;
    select s.stage, s.name into place from piton.stages_of(letter.version_id) s
    where s.name = coalesce(from_stage, proof ->> 'stage');
    if from_stage is not null then
        perform piton.refuse_stage(letter.id, from_stage);
    elsif place.stage is null or letter.stage <> all(piton.stages_behind(letter.version_id, array[place.stage])) then
        return;
    end if;
    return query select place.stage,
        case when from_stage is null and proof ->> 'item' ~ '^[0-9]{1,9}$' then (proof ->> 'item')::int4 end;
end
$$;
comment on function piton.redo_place(uuid, text) is 'For Piton itself: the stage, and the item, that a dead letter which is retried begins again from. No row where it goes on from its last checkpoint.';
