create or replace function piton.start_run(
    workflow text, input json default '{}', key text default null, priority integer default 0,
    run_at timestamptz default null, deadline timestamptz default null,
    traceparent text default null, tracestate text default null
) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    run uuid := piton.new_id();
    version bigint;
    row_key bigint;
begin
    if workflow is null or input is null or priority is null then
        raise exception 'the workflow, the run''s input and its priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the input and the priority out for {} and 0.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the run''s priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    select w.current_version_id into version from piton.workflows w where w.name = start_run.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    -- Short texts without an escape are never refused; most inputs are short.
    if octet_length(input::text) > 200 or position('\u' in input::text) > 0 then
        perform piton.check_input(input);
    end if;
    if traceparent is not null or tracestate is not null then
        tracestate := piton.trace_state(tracestate, traceparent);
        traceparent := piton.trace_parent(traceparent);
    end if;
    if key is not null then
        run := piton.run_under(workflow, key, run);
        if exists (select from piton.runs r where r.uuid = run) then
            if not piton.is_same_input(run, input) then
                raise warning 'run % was started under that key before, on another input; nothing is started', run
                    using hint = 'piton.start_run_once tells of that in its answer, and refuses it if it is asked to.';
            end if;
            return run;
        end if;
    end if;
    row_key := piton.start_run_of(version, run, input, priority, traceparent, tracestate, run_at, deadline);
    return run;
end
$$;
comment on function piton.start_run(text, json, text, integer, timestamptz, timestamptz, text, text) is 'Starts a run of the current version of that workflow (piton.deploy_workflow), and returns its id. It starts when the caller''s transaction commits. Under a key (of 1 to 200 characters) only one is ever started of a workflow: asking again returns its id and starts nothing, with a warning where the input is another one (see piton.start_run_once). Of higher priority (-1000 to 1000) is claimed first. With run_at it waits until then; with a deadline it is cancelled if it is not finished by then. With a traceparent (and tracestate) of the W3C its stages are part of that trace.';
