-- A claim reads piton.pauses and piton.limited_stages itself, so none begins that did not see the pause. A branch that would go on to its next stage in
-- its slot goes by the last look of its worker, which looks when it is notified, and about once a second anyway.
create or replace function piton.pause(
    reason text, workflow text default null, stage text default null, actor text default session_user
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint := piton.queue_named(workflow, stage);
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'something is paused', 'piton.pause(''why'', ''workflow'')');
    -- Whoever registers a version at this moment sees it, or is seen.
    perform from piton.workflows w where w.id = queue for no key update;
    insert into piton.pauses (workflow_id, stage, reason, paused_by)
    values (queue, coalesce(pause.stage, ''), pause.reason, pause.actor)
    on conflict on constraint pauses_pkey do update
    set reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (pause.actor, 'pause', 'queue', coalesce(pause.workflow, 'everything'),
            jsonb_strip_nulls(jsonb_build_object('stage', pause.stage, 'reason', pause.reason)));
    perform piton.renew_paused_stages(queue);
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.pause(text, text, text, text) is 'Pauses a workflow, a stage of it, or everything (no workflow), for a reason: no job of it is claimed any more. What runs goes on to its end.';
