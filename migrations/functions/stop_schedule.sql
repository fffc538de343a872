create or replace function piton.stop_schedule(workflow bigint, schedule text, because text, reason text, actor text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    update piton.schedules s
    set paused_at = now(), paused_by = stop_schedule.actor, paused_because = stop_schedule.because,
        pause_reason = stop_schedule.reason, queued_tick = null, queued_text = null, revision = s.revision + 1
    where s.workflow_id = stop_schedule.workflow and s.name = stop_schedule.schedule;
    perform piton.note_schedule(workflow, schedule, 'pause_schedule', actor, jsonb_build_object('reason', stop_schedule.reason));
end
$$;
comment on function piton.stop_schedule(bigint, text, text, text, text) is 'For Piton itself: pauses a schedule whose row is locked, and puts it on record.';
