-- Each by itself: what is wrong with one of them is on record with it, and holds up no other, nor itself the next time.
create or replace function piton.fire_schedules(due json)
returns table (workflow text, schedule text, outcome text, tick timestamptz, run uuid, said text)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    one json;
    done json[];
    refused_now integer;
    why text;
    most integer;
begin
    for one in select e.value from json_array_elements(due) as e loop
        begin
            done := array(select to_json(f) from piton.fire_schedule(one) as f);
        exception when others then
            done := '{}';
            -- The database cannot do it now: the schedule is looked at again.
            continue when sqlstate ~ '^(08|40|53|57|58)' or sqlstate = '55P03';
            why := left(sqlerrm, 2000);
            most := (one ->> 'pause_after_failures')::integer;
            update piton.schedules s
            set settled_until = (one ->> 'settled')::timestamptz, next_tick = (one ->> 'next')::timestamptz,
                look_at = (one ->> 'look_at')::timestamptz, queued_tick = null, queued_text = null,
                refused = s.refused + 1, last_outcome = 'refused', last_error = why, last_error_at = now()
            where s.workflow_id = (one ->> 'workflow_id')::bigint and s.name = one ->> 'name'
              and s.revision = (one ->> 'revision')::bigint and s.settled_until = (one ->> 'was_settled')::timestamptz
              and s.paused_at is null
            returning s.refused into refused_now;
            continue when not found;
            if refused_now >= most then
                perform piton.stop_schedule((one ->> 'workflow_id')::bigint, one ->> 'name', 'failures', left('its run cannot start: ' || why, 2000), 'piton');
            end if;
            select w.name into workflow from piton.workflows w where w.id = (one ->> 'workflow_id')::bigint;
            schedule := one ->> 'name';
            outcome := case when refused_now >= most then 'paused' else 'refused' end;
            tick := null;
            run := null;
            said := why;
            return next;
        end;
        return query select d.one ->> 'workflow', d.one ->> 'schedule', d.one ->> 'outcome', (d.one ->> 'tick')::timestamptz,
                            (d.one ->> 'run')::uuid, d.one ->> 'said'
                     from unnest(done) as d (one);
    end loop;
end
$$;
comment on function piton.fire_schedules(json) is 'For Piton itself: decides about the ticks of the schedules that a worker found due, each by itself, and tells what became of them.';
