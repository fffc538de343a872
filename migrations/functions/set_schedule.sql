-- What only a worker can tell (a cron text, a zone) it tells by pausing the schedule at once, with the reason.
create or replace function piton.set_schedule(
    workflow text, schedule text, definition json, actor text default session_user
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint;
    odd text;
    is_known boolean;
begin
    perform piton.check_said(actor, null);
    if definition is null or json_typeof(definition) <> 'object' then
        raise exception 'a schedule is an object with the keys of its table in a workflow file'
            using errcode = 'invalid_parameter_value', hint = 'Such as ''{"cron": "30 2 * * *", "zone": "Europe/Berlin"}''.';
    end if;
    if schedule is null or schedule !~ '^[a-z][a-z0-9_-]{0,62}$' then
        raise exception 'a schedule cannot be named "%": a name has up to 63 small letters, digits, - and _, and begins with a letter',
                        piton.quoted(coalesce(schedule, 'null'))
            using errcode = 'invalid_parameter_value', hint = 'Name it such as nightly.';
    end if;
    perform piton.check_input(definition);
    if json_typeof(definition -> 'input') <> 'object' then
        raise exception 'the "input" of a schedule must be an object'
            using errcode = 'invalid_parameter_value', hint = 'Its runs get "tick" in it. Leave it out for none.';
    end if;
    select k.key into odd from json_object_keys(definition) as k (key)
    where k.key not in ('cron', 'every', 'zone', 'input', 'overlap', 'missed', 'within', 'pause_after_failures', 'jitter') limit 1;
    if odd is not null or ((definition -> 'cron') is null) = ((definition -> 'every') is null) then
        raise exception '%', case when odd is not null then format('there is no key "%s" in a schedule', piton.quoted(odd))
                                  else 'a schedule has either "cron" or "every"' end
            using errcode = 'invalid_parameter_value',
                  hint = 'The keys are cron or every, zone, input, overlap, missed, within, pause_after_failures, jitter.';
    end if;
    select w.id into queue from piton.workflows w where w.name = set_schedule.workflow for no key update;
    if queue is null then
        perform piton.refuse_workflow(workflow);
    end if;
    select true into is_known from piton.schedules s
    where s.workflow_id = queue and s.name = set_schedule.schedule and s.from_file and s.paused_because is distinct from 'file';
    if found then
        raise exception 'schedule "%" of workflow "%" is in its file', schedule, workflow
            using errcode = 'object_not_in_prerequisite_state', hint = 'Change it there and deploy the file, or set one of another name.';
    end if;
    insert into piton.schedules as s (workflow_id, name, definition, from_file, changed_by)
    values (queue, set_schedule.schedule, set_schedule.definition, false, set_schedule.actor)
    on conflict on constraint schedules_pkey do update
    set definition = excluded.definition, from_file = false, revision = s.revision + 1, look_at = now(), next_tick = null,
        changed_at = now(), changed_by = excluded.changed_by,
        anchor_at = case when piton.same_times(s.definition, excluded.definition) then s.anchor_at else date_trunc('second', now()) end,
        settled_until = case when s.paused_at is null and piton.same_times(s.definition, excluded.definition) then s.settled_until else now() end,
        paused_at = case when s.paused_because in ('person', 'failures') then s.paused_at end,
        paused_by = case when s.paused_because in ('person', 'failures') then s.paused_by end,
        pause_reason = case when s.paused_because in ('person', 'failures') then s.pause_reason end,
        paused_because = case when s.paused_because in ('person', 'failures') then s.paused_because end;
    perform piton.note_schedule(queue, schedule, 'set_schedule', actor, jsonb_build_object('definition', set_schedule.definition));
end
$$;
comment on function piton.set_schedule(text, text, json, text) is 'Sets a schedule that is in no file, with the keys of a table [schedules.NAME] as JSON: select piton.set_schedule(''story'', ''nightly'', ''{"cron": "30 2 * * *", "zone": "Europe/Berlin"}''). A worker that cannot read it pauses it and says why in piton.schedules_overview.';
