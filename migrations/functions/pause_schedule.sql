create or replace function piton.pause_schedule(
    workflow text, schedule text, reason text, actor text default session_user
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_one piton.schedules;
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a schedule is paused', 'piton.pause_schedule(''workflow'', ''schedule'', ''why'')');
    found_one := piton.schedule_named(workflow, schedule);
    perform piton.stop_schedule(found_one.workflow_id, found_one.name, 'person', reason, actor);
end
$$;
comment on function piton.pause_schedule(text, text, text, text) is 'Pauses a schedule, for a reason: it starts no run until piton.resume_schedule, whatever is deployed. Runs that it has started go on.';
