create or replace function piton.refuse_dead_letter(dead_letter uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    letter record;
begin
    select d.resolution, d.resolved_by, r.uuid as run, r.state into letter
    from piton.dead_letters d join piton.runs r on r.id = d.run_id
    where d.id = refuse_dead_letter.dead_letter;
    if not found then
        raise exception 'there is no dead letter %', dead_letter
            using errcode = 'no_data_found', hint = 'List them: select * from piton.dead_letters_overview.';
    elsif letter.resolution not in ('pending', 'tolerated') then
        raise exception 'dead letter % was % by % already', dead_letter, letter.resolution, piton.quoted(letter.resolved_by)
            using errcode = 'object_not_in_prerequisite_state', hint = 'A new failure of the job is a new dead letter.';
    end if;
    raise exception 'the run % of dead letter % is %', letter.run, dead_letter, letter.state
        using errcode = 'object_not_in_prerequisite_state', hint = 'Start a new run on the same input.';
end
$$;
comment on function piton.refuse_dead_letter(uuid) is 'For Piton itself: raises the error that says why nothing can be decided about that dead letter, and what to do.';
