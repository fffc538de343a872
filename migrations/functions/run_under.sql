-- Whoever asks at the same moment waits here for the first one's transaction, and then gets its run.
create or replace function piton.run_under(workflow text, key text, run uuid) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_run uuid;
begin
    if length(key) not between 1 and 200 then
        raise exception 'the key of a run has % characters, and must have 1 to 200', length(key)
            using errcode = 'invalid_parameter_value', hint = 'A digest of what the run is about makes a short one.';
    end if;
    insert into piton.run_keys (workflow_id, key, run)
    select w.id, run_under.key, run_under.run from piton.workflows w where w.name = run_under.workflow
    on conflict on constraint run_keys_pkey do nothing
    returning run_keys.run into found_run;
    if found_run is null then
        select k.run into found_run
        from piton.run_keys k join piton.workflows w on w.id = k.workflow_id
        where w.name = run_under.workflow and k.key = run_under.key;
    end if;
    return found_run;
end
$$;
comment on function piton.run_under(text, text, uuid) is 'For Piton itself: the id of the run that was started under a key; the given one when none was, which it is from now on.';
