create or replace function piton.refuse_workflow(workflow text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    names text;
begin
    if exists (
        select from piton.workflows w
        join piton.workflow_versions v on v.workflow_id = w.id and v.start_stages is not null
        where w.name = refuse_workflow.workflow and w.current_version_id is null
    ) then
        raise exception 'no version of workflow "%" is deployed', workflow
            using errcode = 'object_not_in_prerequisite_state',
                  detail = 'It was only registered beside another one that was run.',
                  hint = 'Start a worker on its file, or use "piton start" or "piton workflows deploy".';
    end if;
    if exists (select from piton.workflows w where w.name = refuse_workflow.workflow) then
        raise exception 'workflow "%" was registered by an older Piton, which left no plan for SQL', workflow
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Register its file again: start a worker on it, or use "piton start".';
    end if;
    select string_agg(w.name, ', ') into names
    from (select name from piton.workflows where current_version_id is not null order by name limit 50) w;
    raise exception 'there is no workflow "%"', piton.quoted(workflow)
        using errcode = 'undefined_object',
              detail = coalesce('There are: ' || names || '.', 'There is none yet.'),
              hint = case when workflow in ('*', '%', 'all', 'everything')
                          then 'Leave the workflow out (null) where every one is meant.'
                          else 'A workflow is registered when a worker, or "piton start", reads its file.' end;
end
$$;
comment on function piton.refuse_workflow(text) is 'For Piton itself: says why no run of that workflow can be started, and what to do.';
