create or replace function piton.release_run(run uuid, actor text default session_user) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform piton.check_said(actor, null);
    delete from piton.run_holds h using piton.runs r where r.id = h.run_id and r.uuid = release_run.run;
    if not found then
        raise exception 'run % is not held', run
            using errcode = 'object_not_in_prerequisite_state', hint = 'Those that are: select * from piton.run_holds.';
    end if;
    insert into piton.audit (actor, verb, subject_kind, subject)
    values (release_run.actor, 'release', 'run', release_run.run);
end
$$;
comment on function piton.release_run(uuid, text) is 'Ends the hold of a run.';
