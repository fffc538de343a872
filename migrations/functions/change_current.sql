-- The one place where another version of a workflow becomes current, in a transaction that holds the workflow's row. A rollback
-- leaves on the version where it came from, so that one more goes back further. The first version of a workflow changes nothing:
-- its row is its own record.
create or replace function piton.change_current(
    workflow bigint, version bigint, verb text, actor text, reason text default null
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    before bigint;
begin
    select w.current_version_id into before from piton.workflows w where w.id = change_current.workflow;
    update piton.workflows w
    set current_version_id = change_current.version, current_since = now(), current_by = change_current.actor
    where w.id = change_current.workflow;
    update piton.workflow_versions v set deployed_at = now(), deployed_by = change_current.actor, replaced_version_id = before
    where v.id = change_current.version and change_current.verb = 'deploy';
    perform piton.renew_paused_stages(change_current.workflow);
    perform piton.renew_limits(change_current.workflow);
    perform piton.renew_schedules(change_current.workflow, change_current.version, change_current.actor);
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select change_current.actor, change_current.verb, 'workflow', w.name,
           jsonb_build_object('from', (select encode(v.digest, 'hex') from piton.workflow_versions v where v.id = before),
                              'to', (select encode(v.digest, 'hex') from piton.workflow_versions v
                                     where v.id = change_current.version),
                              'reason', change_current.reason)
           || coalesce((select jsonb_build_object('limits', l.changed) from piton.limits_between(before, change_current.version) l
                        where l.changed is not null), '{}')
    from piton.workflows w where w.id = change_current.workflow and before is not null;
end
$$;
comment on function piton.change_current(bigint, bigint, text, text, text) is 'For Piton itself: makes a version of a workflow the current one, brings the pauses and limits of its stages, and its schedules, up to date, and records it.';
