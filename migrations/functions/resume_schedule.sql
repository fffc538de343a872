-- From now on: the ticks of the time in between are not made up for.
create or replace function piton.resume_schedule(
    workflow text, schedule text, actor text default session_user, reason text default null
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_one piton.schedules;
begin
    perform piton.check_said(actor, reason);
    found_one := piton.schedule_named(workflow, schedule);
    if found_one.paused_at is null then
        raise exception 'schedule "%" of workflow "%" is not paused', schedule, workflow
            using errcode = 'object_not_in_prerequisite_state', hint = 'See what is: select * from piton.schedules_overview where paused_at is not null.';
    end if;
    if found_one.paused_because = 'file' then
        raise exception 'schedule "%" is no longer in the current version of workflow "%"', schedule, workflow
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Put it back into the file and deploy that, or keep it without a file with piton.set_schedule.';
    end if;
    update piton.schedules s
    set paused_at = null, paused_by = null, paused_because = null, pause_reason = null, settled_until = now(), look_at = now(),
        next_tick = null, failures_since = now(), refused = 0, revision = s.revision + 1
    where s.workflow_id = found_one.workflow_id and s.name = found_one.name;
    perform piton.note_schedule(found_one.workflow_id, found_one.name, 'resume_schedule', actor, jsonb_build_object('reason', resume_schedule.reason));
end
$$;
comment on function piton.resume_schedule(text, text, text, text) is 'Lets a paused schedule go on with its next tick from now. Ticks of the time in between start nothing; piton.trigger_schedule and a backfill do.';
