create or replace function piton.retry_dead_letter(
    dead_letter uuid, actor text default session_user, note text default null, from_stage text default null,
    from_beginning boolean default false, input json default null
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    keys smallint[];
    declared json;
begin
    perform piton.check_said(actor, note);
    if input is not null then
        perform piton.check_input(input);
        select r.redone, v.input_keys into keys, declared
        from piton.runs r join piton.workflow_versions v on v.id = r.version_id
        where r.id = (select d.run_id from piton.dead_letters d where d.id = retry_dead_letter.dead_letter)
        for update of r;
        if declared is not null then
            input := piton.fit_input(declared, input);
        end if;
    end if;
    if piton.retry_dead_letters(array[dead_letter], actor, note, from_stage, from_beginning) = 0 then
        perform piton.refuse_dead_letter(dead_letter);
    end if;
    if input is not null then
        perform piton.correct_input(dead_letter, input, keys);
    end if;
end
$$;
comment on function piton.retry_dead_letter(uuid, text, text, text, boolean, json) is 'Lets a dead letter''s job go on, with a new budget of retries: from the last checkpoint, from a stage that is named, or from the beginning of its run; where a checkpoint was corrupt, from the stage that made it. With an input, that is the run''s from then on. What was done before stays on record.';
