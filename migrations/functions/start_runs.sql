-- The same as start_run for as many inputs as there are, at a fifth of its price for each.
create or replace function piton.start_runs(
    workflow text, inputs json[], priority integer default 0, traceparent text default null, tracestate text default null
) returns setof uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    version bigint;
    plan record;
    given json;
    place bigint;
    said text;
    cure text;
begin
    if array_ndims(inputs) > 1 then
        raise exception 'the inputs must be a plain list, and this is an array of arrays'
            using errcode = 'array_subscript_error', hint = 'An input that is an array is written as JSON: array[''[1, 2]'', ''[3]'']::json[].';
    end if;
    if workflow is null or inputs is null or priority is null or array_position(inputs::text[], null) is not null then
        raise exception 'the workflow, the runs'' inputs and their priority must not be null'
            using errcode = 'null_value_not_allowed', hint = 'Leave the priority out for 0; an empty input is {}.';
    end if;
    if priority not between -1000 and 1000 then
        raise exception 'the runs'' priority is %, and must be between -1000 and 1000', priority
            using errcode = 'numeric_value_out_of_range', hint = 'Higher is claimed first; 0 is the default.';
    end if;
    select w.current_version_id into version from piton.workflows w where w.name = start_runs.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    -- Which one it is, is looked for only when one is refused: one block for all of them costs next to nothing.
    begin
        perform piton.check_input(input) from unnest(inputs) as input
        where octet_length(input::text) > 200 or position('\u' in input::text) > 0;
    exception
        when program_limit_exceeded or untranslatable_character then
            for given, place in select i.input, i.place from unnest(inputs) with ordinality as i (input, place) order by i.place loop
                begin
                    perform piton.check_input(given);
                exception
                    when program_limit_exceeded or untranslatable_character then
                        get stacked diagnostics said = message_text, cure = pg_exception_hint;
                        raise exception '%', replace(said, 'the run''s input', format('input %s', place))
                            using errcode = sqlstate, hint = cure;
                end;
            end loop;
            raise;
    end;
    if traceparent is not null or tracestate is not null then
        tracestate := piton.trace_state(tracestate, traceparent);
        traceparent := piton.trace_parent(traceparent);
    end if;
    select v.workflow_id, v.start_stages, v.join_stages, v.join_missing, v.input_keys into plan
    from piton.workflow_versions v where v.id = version;
    if plan.input_keys is not null then
        inputs := array(select piton.fit_input(plan.input_keys, i.input, format('input %s', i.place))
                        from unnest(inputs) with ordinality as i (input, place) order by i.place);
    end if;
    return query
    with run as (
        insert into piton.runs (uuid, version_id, priority, input, traceparent, tracestate)
        select piton.new_id(), version, start_runs.priority, input, start_runs.traceparent, start_runs.tracestate
        from unnest(inputs) as input
        returning id, uuid
    ),
    job as (
        insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
        select run.id, plan.workflow_id, version, stage, 'ready', -start_runs.priority
        from run cross join unnest(plan.start_stages) as stage
    ),
    joined as (
        insert into piton.joins (run_id, stage, missing)
        select run.id, j.stage, j.missing from run cross join unnest(plan.join_stages, plan.join_missing) as j (stage, missing)
    )
    select run.uuid from run;
    perform piton.wake_workers();
end
$$;
comment on function piton.start_runs(text, json[], integer, text, text) is 'Starts a run for each input, of the current version of that workflow, and returns their ids in the order of the inputs. They start when the caller''s transaction commits; all of them or none. With a traceparent (and tracestate) of the W3C all of them are part of that trace.';
