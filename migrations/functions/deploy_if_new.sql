-- Registering a version deploys it the first time only: a pod of the last release that restarts, or an old file on somebody's
-- machine, turns nothing back. Pauses and limits hold for every version that runs can be started of, so they are renewed for one
-- that does not become current, too. One process at a time.
create or replace function piton.deploy_if_new(workflow bigint, version bigint, actor text default session_user)
returns boolean
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from piton.workflows w where w.id = deploy_if_new.workflow for no key update;
    if exists (
        select from piton.workflow_versions v
        join piton.workflows w on w.id = v.workflow_id
        where v.id = deploy_if_new.version and w.id = deploy_if_new.workflow
          and (w.current_version_id is null
               -- Cleanup may have deleted what was deployed long ago: the record tells.
               or v.deployed_at is null and not exists (
                   select from piton.audit a
                   where a.subject_kind = 'workflow' and a.subject = w.name
                     and encode(v.digest, 'hex') in (a.detail ->> 'from', a.detail ->> 'to')))
    ) then
        perform piton.change_current(workflow, version, 'deploy', actor, 'first seen');
        return true;
    end if;
    perform piton.renew_paused_stages(deploy_if_new.workflow);
    perform piton.renew_limits(deploy_if_new.workflow);
    return false;
end
$$;
comment on function piton.deploy_if_new(bigint, bigint, text) is 'For Piton itself: makes a version that was never current the one that runs are started of, and returns whether it did.';
