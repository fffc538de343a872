-- One schedule, as a worker has computed it. Its row is the lock: whoever has it, and finds it as it was read, decides about these
-- ticks, and nobody else ever will; the runs start in the same transaction. That somebody else has it is no reason to wait.
create or replace function piton.fire_schedule(due json)
returns table (workflow text, schedule text, outcome text, tick timestamptz, run uuid, said text)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found_one piton.schedules;
    declared json;
    overlap text := due ->> 'overlap';
    most integer := (due ->> 'pause_after_failures')::integer;
    run_key text;
    busy uuid[];
    one uuid;
begin
    select s.* into found_one from piton.schedules s
    where s.workflow_id = (due ->> 'workflow_id')::bigint and s.name = due ->> 'name' and s.revision = (due ->> 'revision')::bigint
      and s.settled_until = (due ->> 'was_settled')::timestamptz and s.paused_at is null
    for no key update skip locked;
    if not found then
        return;
    end if;
    select w.name, v.input_keys into workflow, declared
    from piton.workflows w left join piton.workflow_versions v on v.id = w.current_version_id where w.id = found_one.workflow_id;
    schedule := found_one.name;
    if due ->> 'broken' is not null then
        perform piton.stop_schedule(found_one.workflow_id, found_one.name, 'definition', left(due ->> 'broken', 2000), 'piton');
        outcome := 'paused';
        said := due ->> 'broken';
        return next;
        return;
    end if;
    update piton.schedule_runs r set is_open = false
    where r.workflow_id = found_one.workflow_id and r.schedule = found_one.name and r.is_open
      and not exists (select from piton.runs u where u.id = r.run_id and u.state in ('running', 'blocked'));
    if json_array_length(due -> 'ticks') > 0 and piton.failed_in_a_row(found_one.workflow_id, found_one.name, found_one.failures_since, most) >= most then
        said := case most when 1 then 'its last run has failed or is blocked'
                          else format('its last %s runs have failed or are blocked', most) end;
        perform piton.stop_schedule(found_one.workflow_id, found_one.name, 'failures', said, 'piton');
        outcome := 'paused';
        return next;
        return;
    end if;
    if (due ->> 'settled')::timestamptz > found_one.settled_until and json_array_length(due -> 'ticks') = 0 then
        found_one.last_outcome := 'missed';
    end if;
    -- What waited for a run to end goes first; of those that wait, the last one stays.
    for tick, said in
        select found_one.queued_tick, found_one.queued_text where found_one.queued_tick is not null
        union all
        select (t.one ->> 'at')::timestamptz, t.one ->> 'text'
        from json_array_elements(due -> 'ticks') with ordinality as t (one, place)
    loop
        run := null;
        found_one.queued_tick := null;
        found_one.queued_text := null;
        if overlap <> 'allow' then
            busy := array(select u.uuid from piton.schedule_runs r join piton.runs u on u.id = r.run_id
                          where r.workflow_id = found_one.workflow_id and r.schedule = found_one.name and r.is_open and u.state = 'running');
        end if;
        run_key := 'schedule/' || found_one.name || '/'
               || to_char(tick at time zone 'UTC', case when tick = date_trunc('second', tick) then 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                                                        else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' end);
        if cardinality(busy) > 0 and overlap = 'skip' then
            outcome := 'skipped';
        elsif cardinality(busy) > 0 and overlap = 'queue_one' then
            outcome := 'queued';
            found_one.queued_tick := tick;
            found_one.queued_text := said;
        elsif exists (select from piton.run_keys k where k.workflow_id = found_one.workflow_id and k.key = run_key) then
            outcome := 'known';
        else
            if overlap = 'cancel' then
                foreach one in array busy loop
                    begin
                        perform piton.end_run(one, 'the next tick of its schedule came: ' || said, 'piton', null);
                    exception when object_not_in_prerequisite_state then
                        -- It has ended at this very moment.
                        null;
                    end;
                end loop;
            end if;
            outcome := 'started';
            run := piton.start_run(workflow, piton.tick_input(coalesce(due -> 'input', '{}'), declared, said, found_one.last_text), run_key);
            insert into piton.schedule_runs (run_id, workflow_id, schedule, tick)
            select u.id, found_one.workflow_id, found_one.name, fire_schedule.tick from piton.runs u where u.uuid = fire_schedule.run;
            found_one.last_tick := tick;
            found_one.last_text := said;
            found_one.last_run := run;
            found_one.refused := 0;
        end if;
        found_one.last_outcome := outcome;
        return next;
    end loop;
    update piton.schedules s
    set settled_until = (due ->> 'settled')::timestamptz, next_tick = (due ->> 'next')::timestamptz,
        anchor_at = least(s.anchor_at, now()),
        -- What waits for the end of a run is looked at again soon, and less and less often.
        look_at = least((due ->> 'look_at')::timestamptz,
                        case when found_one.queued_tick is not null
                             then now() + least(greatest((now() - found_one.queued_tick) / 10, interval '1 second'), interval '30 seconds') end),
        queued_tick = found_one.queued_tick, queued_text = found_one.queued_text, last_tick = found_one.last_tick,
        last_text = found_one.last_text, last_run = found_one.last_run, last_outcome = found_one.last_outcome,
        refused = found_one.refused
    where s.workflow_id = found_one.workflow_id and s.name = found_one.name;
end
$$;
comment on function piton.fire_schedule(json) is 'For Piton itself: decides about the ticks of a schedule that a worker found due, and starts their runs; nothing where somebody else did.';
