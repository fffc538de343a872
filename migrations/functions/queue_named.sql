-- What a pause is about, checked: the workflow's id, or 0 for all.
create or replace function piton.queue_named(workflow text, stage text) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found_id bigint;
begin
    if workflow is null then
        if stage is not null then
            raise exception 'stage "%" belongs to a workflow, and none was named', piton.quoted(stage)
                using errcode = 'invalid_parameter_value', hint = 'Name its workflow, or leave the stage out for everything.';
        end if;
        return 0;
    end if;
    select w.id into found_id from piton.workflows w where w.name = queue_named.workflow;
    if not found then
        perform piton.refuse_workflow(workflow);
    end if;
    if stage is not null and not exists (
        select from piton.stage_names s where s.workflow_id = found_id and s.name = queue_named.stage
    ) then
        raise exception 'workflow "%" has no stage "%"', workflow, piton.quoted(stage)
            using errcode = 'undefined_object',
                  hint = 'See them with: select s.name from piton.workflows w, piton.stages_of(w.current_version_id) s where w.name = ' || quote_literal(workflow) || '.';
    end if;
    return found_id;
end
$$;
comment on function piton.queue_named(text, text) is 'For Piton itself: the id of a workflow that is to be paused or resumed, 0 for all of them; raises where there is no such workflow or stage.';
