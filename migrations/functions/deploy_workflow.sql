create or replace function piton.deploy_workflow(
    workflow text, digest text, reason text default null, actor text default session_user
) returns text
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint;
    current bigint;
    version bigint;
begin
    perform piton.check_said(actor, reason);
    select w.id, w.current_version_id into queue, current from piton.workflows w
    where w.name = deploy_workflow.workflow for no key update;
    if queue is null then
        perform piton.refuse_workflow(workflow);
    end if;
    version := piton.version_named(queue, digest);
    if version is distinct from current then
        perform piton.change_current(queue, version, 'deploy', actor, reason);
    end if;
    return (select encode(v.digest, 'hex') from piton.workflow_versions v where v.id = version);
end
$$;
comment on function piton.deploy_workflow(text, text, text, text) is 'Makes a registered version of a workflow the current one, by the first digits of its digest (6 or more). Runs that are started from now on follow it, and its limits hold for the runs of all versions. Returns the whole digest. Does nothing where it is current already.';
