-- In the transaction that ends a child, so that no end of one is missed. Whoever calls it has locked the parent's row, shared, before that of
-- the child: parents come first, as where a parent ends its children.
create or replace function piton.answer_parent(run bigint) returns boolean
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    child record;
    made record;
    said json;
begin
    select r.id, r.uuid, r.state, r.parent_id, r.parent_stage, r.parent_item, r.failure_class, r.failure_message, w.name as workflow
    into child
    from piton.runs r
    join piton.workflow_versions v on v.id = r.version_id
    join piton.workflows w on w.id = v.workflow_id
    where r.id = answer_parent.run and r.parent_id is not null and not r.detached and r.state in ('done', 'failed', 'cancelled');
    if not found then
        return false;
    end if;
    if child.state = 'done' then
        select o.output, o.corrupt into made from piton.run_output(child.id) as o;
        if made.corrupt is null and octet_length(made.output::text) <= 67108864 then
            return piton.end_child_wait(child.parent_id, child.parent_stage, child.parent_item, child.id, 'answered', made.output);
        end if;
        said := json_build_object('message', case
            when made.corrupt is not null then 'the output of its stage ' || made.corrupt || ' is not what was committed'
            else 'it has ' || octet_length(made.output::text) || ' bytes, over the limit of 67108864' end);
    elsif child.state = 'failed' then
        said := json_build_object('class', child.failure_class, 'message', child.failure_message);
    else
        said := json_build_object('message', (select c.reason from piton.cancellations c where c.run_id = child.id));
    end if;
    return piton.end_child_wait(
        child.parent_id, child.parent_stage, child.parent_item, child.id, 'failed',
        json_build_object('run', child.uuid, 'workflow', child.workflow, 'state', child.state,
                          'class', said ->> 'class', 'message', said ->> 'message'));
end
$$;
comment on function piton.answer_parent(bigint) is 'For Piton itself: tells the stage that started a run, and waits for it, that the run has ended. Returns whether a stage was waiting.';
