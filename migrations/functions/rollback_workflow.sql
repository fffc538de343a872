create or replace function piton.rollback_workflow(
    workflow text, digest text default null, reason text default null, actor text default session_user
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
    where w.name = rollback_workflow.workflow for no key update;
    if current is null then
        perform piton.refuse_workflow(workflow);
    end if;
    if digest is null then
        select b.id into version from piton.workflow_versions v
        join piton.workflow_versions b on b.id = v.replaced_version_id
        where v.id = current;
    else
        version := piton.version_named(queue, digest);
    end if;
    if version is null then
        raise exception 'no version of workflow "%" is on record from before its current one', workflow
            using errcode = 'no_data_found',
                  hint = 'Say which version to go back to; select * from piton.versions_overview shows them all.';
    end if;
    if version <> current then
        perform piton.change_current(queue, version, 'rollback', actor, reason);
    end if;
    return (select encode(v.digest, 'hex') from piton.workflow_versions v where v.id = version);
end
$$;
comment on function piton.rollback_workflow(text, text, text, text) is 'Makes the version that the current one replaced current again, or the version whose digest begins with that text. Returns the whole digest. Calling it again goes back further.';
