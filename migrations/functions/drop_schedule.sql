create or replace function piton.drop_schedule(
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
    if found_one.from_file and found_one.paused_because is distinct from 'file' then
        raise exception 'schedule "%" of workflow "%" is in its file', schedule, workflow
            using errcode = 'object_not_in_prerequisite_state', hint = 'Remove it there and deploy the file, or pause it.';
    end if;
    delete from piton.schedules s where s.workflow_id = found_one.workflow_id and s.name = found_one.name;
    perform piton.note_schedule(found_one.workflow_id, found_one.name, 'drop_schedule', actor, jsonb_build_object('reason', drop_schedule.reason));
end
$$;
comment on function piton.drop_schedule(text, text, text, text) is 'Deletes a schedule that is in no file of a current version. Its runs stay.';
