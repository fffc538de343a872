create or replace function piton.start_run_on_files(
    workflow text, files json, input json default '{}', key text default null, priority integer default 0,
    run_at timestamptz default null, deadline timestamptz default null,
    traceparent text default null, tracestate text default null, same_input boolean default false,
    out run uuid, out is_new boolean, out is_other_input boolean
)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    given record;
begin
    perform piton.check_input(input);
    select f.listed, f.artifacts into given from piton.list_files(input, files) as f;
    if key is not null then
        select s.run, s.is_new, s.is_other_input into run, is_new, is_other_input
        from piton.start_run_once(workflow, key, given.listed, priority, run_at, deadline, traceparent, tracestate, same_input) as s;
    elsif same_input then
        raise exception 'same_input goes with a key' using errcode = 'invalid_parameter_value', hint = 'Give a key, or leave it out.';
    else
        run := piton.start_run(workflow, given.listed, null, priority, run_at, deadline, traceparent, tracestate);
        is_new := true;
        is_other_input := false;
    end if;
    if is_new then
        insert into piton.run_files (run_id, artifact)
        select r.id, a.id from piton.runs r, (select distinct unnest(given.artifacts)) as a (id) where r.uuid = start_run_on_files.run;
    end if;
end
$$;
comment on function piton.start_run_on_files(text, json, json, text, integer, timestamptz, timestamptz, text, text, boolean) is 'Starts a run on artifacts that stages have kept: an array of their ids, or an object with a name for each. They are listed in its input under files, its stages read them as {{file:input/NAME}}, and cleanup leaves them alone for as long as the run goes on, is blocked or held. Otherwise it does what piton.start_run does, and with a key what piton.start_run_once does.';
