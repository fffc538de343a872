create or replace function piton.start_run_once(
    workflow text, key text, input json default '{}', priority integer default 0,
    run_at timestamptz default null, deadline timestamptz default null,
    traceparent text default null, tracestate text default null, same_input boolean default false,
    out run uuid, out is_new boolean, out is_other_input boolean
)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if key is null then
        raise exception 'the key of a run must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Use piton.start_run to start one without a key.';
    end if;
    if octet_length(input::text) > 200 or position('\u' in input::text) > 0 then
        perform piton.check_input(input);
    end if;
    run := piton.run_under(workflow, key, piton.new_id());
    is_new := not exists (select from piton.runs r where r.uuid = start_run_once.run);
    is_other_input := not is_new and not coalesce(piton.is_same_input(run, input), false);
    if is_new then
        run := piton.start_run(workflow, input, key, priority, run_at, deadline, traceparent, tracestate);
    elsif is_other_input and same_input then
        raise exception 'run % was started under that key before, on another input; nothing is started', run
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Start it under another key, or without same_input to be told of the first run instead.';
    end if;
end
$$;
comment on function piton.start_run_once(text, text, json, integer, timestamptz, timestamptz, text, text, boolean) is 'Starts a run under a key, as piton.start_run does, and says what became of it: the id of the run under that key, whether it was started now, and, where it was not, whether it has another input than was given. With same_input that is refused instead.';
