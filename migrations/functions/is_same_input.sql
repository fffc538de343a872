-- What a workflow declares is filled in where a run starts: the input as it was given counts, and what it was made into.
create or replace function piton.is_same_input(run uuid, input json) returns boolean
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    first record;
begin
    select r.input, v.input_keys into first
    from piton.runs r join piton.workflow_versions v on v.id = r.version_id
    where r.uuid = is_same_input.run;
    if piton.is_same_json(first.input, is_same_input.input) then
        return true;
    end if;
    return first.input_keys is not null
           and piton.is_same_json(first.input, piton.fit_input(first.input_keys, is_same_input.input));
exception
    -- It would have been refused.
    when data_exception or program_limit_exceeded then
        return false;
end
$$;
comment on function piton.is_same_input(uuid, json) is 'For Piton itself: whether a run was started on that input.';
