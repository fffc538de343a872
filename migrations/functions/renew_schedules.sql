-- What the version says that becomes current, in the same transaction. A schedule that goes on at the same times keeps its place
-- among them: however often a workflow is deployed, no tick is lost by it. One with other times decides about ticks from now on, or from
-- the tick that was overdue. What people paused stays paused; what the version has no more is paused, and its row tells why.
create or replace function piton.renew_schedules(workflow bigint, version bigint, actor text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone text;
begin
    insert into piton.schedules as s (workflow_id, name, definition, from_file, changed_by)
    select renew_schedules.workflow, d.key, d.value, true, renew_schedules.actor
    from piton.workflow_versions v
    cross join lateral json_each(case json_typeof(v.definition -> 'schedules') when 'object' then v.definition -> 'schedules' else '{}' end) as d
    where v.id = renew_schedules.version and json_typeof(d.value) = 'object' and d.key ~ '^[a-z][a-z0-9_-]{0,62}$'
    on conflict on constraint schedules_pkey do update
    set definition = excluded.definition, from_file = true, revision = s.revision + 1, look_at = now(),
        changed_at = now(), changed_by = excluded.changed_by,
        anchor_at = case when piton.same_times(s.definition, excluded.definition) then s.anchor_at else date_trunc('second', now()) end,
        settled_until = case when s.paused_at is not null then now()
                             when piton.same_times(s.definition, excluded.definition) then s.settled_until
                             else least(now(), s.next_tick - interval '1 microsecond') end,
        next_tick = null,
        paused_at = case when s.paused_because in ('person', 'failures') then s.paused_at end,
        paused_by = case when s.paused_because in ('person', 'failures') then s.paused_by end,
        pause_reason = case when s.paused_because in ('person', 'failures') then s.pause_reason end,
        paused_because = case when s.paused_because in ('person', 'failures') then s.paused_because end
    where s.definition::text <> excluded.definition::text or not s.from_file or s.paused_because in ('file', 'definition');
    for gone in
        update piton.schedules s
        set paused_at = now(), paused_by = renew_schedules.actor, paused_because = 'file', revision = s.revision + 1,
            pause_reason = 'the current version of its workflow does not have it', queued_tick = null, queued_text = null
        where s.workflow_id = renew_schedules.workflow and s.from_file
          and (s.paused_at is null or s.paused_because in ('failures', 'definition'))
          and not exists (
              select from piton.workflow_versions v
              cross join lateral json_object_keys(case json_typeof(v.definition -> 'schedules') when 'object' then v.definition -> 'schedules' else '{}' end) as d (key)
              where v.id = renew_schedules.version and d.key = s.name)
        returning s.name
    loop
        perform piton.note_schedule(workflow, gone, 'pause_schedule', actor,
                                    jsonb_build_object('reason', 'the version that was deployed does not have it'));
    end loop;
end
$$;
comment on function piton.renew_schedules(bigint, bigint, text) is 'For Piton itself: makes the schedules of a workflow those of the version that becomes current.';
