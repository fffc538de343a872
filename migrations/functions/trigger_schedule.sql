create or replace function piton.trigger_schedule(
    workflow text, schedule text, actor text default session_user, reason text default null
) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_one piton.schedules;
    declared json;
    started uuid;
begin
    perform piton.check_said(actor, reason);
    found_one := piton.schedule_named(workflow, schedule);
    select v.input_keys into declared
    from piton.workflows w join piton.workflow_versions v on v.id = w.current_version_id where w.id = found_one.workflow_id;
    started := piton.start_run(workflow, piton.tick_input(
        coalesce(found_one.definition -> 'input', '{}'), declared,
        to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), found_one.last_text));
    insert into piton.schedule_runs (run_id, workflow_id, schedule, tick, is_triggered)
    select u.id, found_one.workflow_id, found_one.name, now(), true from piton.runs u where u.uuid = started;
    perform piton.note_schedule(found_one.workflow_id, found_one.name, 'trigger_schedule', actor,
                                jsonb_build_object('run', started, 'reason', trigger_schedule.reason));
    return started;
end
$$;
comment on function piton.trigger_schedule(text, text, text, text) is 'Starts a run of a schedule at once, between its ticks, also where it is paused or a run of it works, and returns its id. Its ticks stay as they are.';
