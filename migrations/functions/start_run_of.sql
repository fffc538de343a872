-- Where every run starts, whoever asks. That the input and the trace may be kept was checked before.
-- A value instead of a query wherever one will do: each statement in here costs every start some microseconds.
create or replace function piton.start_run_of(
    version_id bigint, run uuid, input json, priority integer, traceparent text default null, tracestate text default null,
    run_at timestamptz default null, deadline timestamptz default null
) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    plan record;
    key bigint;
    is_later boolean := coalesce(run_at > now(), false);
begin
    if run_at is not null then
        perform piton.check_time(run_at, 'the time at which the run starts (run_at)', 'Leave it out to start it at once.');
    end if;
    if deadline is not null then
        perform piton.check_time(deadline, 'the run''s deadline', 'Leave it out for none.');
    end if;
    select v.workflow_id, v.start_stages, v.join_stages, v.join_missing, v.input_keys into plan
    from piton.workflow_versions v where v.id = start_run_of.version_id;
    if plan.start_stages is null then
        raise exception 'workflow version % has no plan: there is none, or it was registered by an older Piton', version_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Register its file again: start a worker on it, or use "piton start".';
    end if;
    if plan.input_keys is not null then
        input := piton.fit_input(plan.input_keys, input);
    end if;
    insert into piton.runs (uuid, version_id, priority, input, traceparent, tracestate)
    values (run, start_run_of.version_id, start_run_of.priority, start_run_of.input, start_run_of.traceparent,
            start_run_of.tracestate)
    returning id into key;
    for branch in 1..cardinality(plan.start_stages) loop
        insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank, due_at)
        values (key, plan.workflow_id, start_run_of.version_id, plan.start_stages[branch],
                case when is_later then 'scheduled' else 'ready' end, -start_run_of.priority,
                case when is_later then run_at else now() end);
    end loop;
    if plan.join_stages <> '{}' then
        insert into piton.joins (run_id, stage, missing)
        select key, j.stage, j.missing from unnest(plan.join_stages, plan.join_missing) as j (stage, missing);
    end if;
    if deadline is not null then
        if deadline <= now() then
            raise exception 'the run''s deadline has passed: %', piton.clock(deadline)
                using errcode = 'invalid_parameter_value', hint = 'Give one that is still to come, or none.';
        end if;
        if deadline <= run_at then
            raise exception 'the run''s deadline, %, would pass before it starts, at %', piton.clock(deadline), piton.clock(run_at)
                using errcode = 'invalid_parameter_value', hint = 'Give a deadline that is later than the start (run_at), or none.';
        end if;
        insert into piton.deadlines (run_id, at) values (key, deadline);
    end if;
    perform piton.wake_workers();
    return key;
end
$$;
comment on function piton.start_run_of(bigint, uuid, json, integer, text, text, timestamptz, timestamptz) is 'For Piton itself: starts a run of one workflow version under the given id, on an input and within a trace that were checked. Returns the key of its row.';
