create or replace function piton.resume(
    workflow text default null, stage text default null, actor text default session_user, reason text default null
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint := piton.queue_named(workflow, stage);
begin
    perform piton.check_said(actor, reason);
    -- Whoever registers a version at this moment sees it, or is seen.
    perform from piton.workflows w where w.id = queue for no key update;
    delete from piton.pauses p where p.workflow_id = queue and p.stage = coalesce(resume.stage, '');
    if not found then
        raise exception '% is not paused', case when workflow is null then 'everything' when stage is null
                then 'workflow "' || workflow || '"' else 'stage "' || stage || '" of workflow "' || workflow || '"' end
            using errcode = 'object_not_in_prerequisite_state', hint = 'What is: select * from piton.pauses_overview.';
    end if;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (resume.actor, 'resume', 'queue', coalesce(resume.workflow, 'everything'),
            jsonb_strip_nulls(jsonb_build_object('stage', resume.stage, 'reason', resume.reason)));
    perform piton.renew_paused_stages(queue);
    perform pg_notify('piton_jobs', 'pauses');
end
$$;
comment on function piton.resume(text, text, text, text) is 'Ends the pause of a workflow, of a stage, or of everything (no workflow). A workflow stays paused while everything is.';
