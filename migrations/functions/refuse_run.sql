-- Says what is wrong with a run that somebody wants to decide about.
create or replace function piton.refuse_run(run uuid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found_state text;
begin
    select r.state into found_state from piton.runs r where r.uuid = refuse_run.run;
    if not found then
        raise exception 'there is no run %', run
            using errcode = 'no_data_found', hint = 'The newest: select run, workflow, state from piton.runs_overview order by run desc limit 20.';
    end if;
    raise exception 'run % is % already', run, found_state
        using errcode = 'object_not_in_prerequisite_state', hint = 'Nothing of it is left to be decided.';
end
$$;
comment on function piton.refuse_run(uuid) is 'For Piton itself: raises the error that says why nothing can be decided about a run.';
