-- In the transaction that makes the wait, whose job is locked: the wait has a child, or there is neither. A wait that is found again
-- has its child, so that no second one begins.
create or replace function piton.begin_child(
    parent bigint, stage smallint, item integer, workflow text, input json, detached boolean
) returns boolean
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    deepest constant integer := 16;
    above record;
    version bigint;
    depth integer;
    run uuid := piton.new_id();
    child bigint;
    said json;
begin
    perform from piton.waits w
    where w.run_id = begin_child.parent and w.stage = begin_child.stage and w.item = begin_child.item
      and w.kind = 'run' and w.outcome is null and w.child_id is null;
    if not found then
        return false;
    end if;
    select w.current_version_id into version from piton.workflows w where w.name = begin_child.workflow;
    if version is null then
        perform piton.refuse_workflow(workflow);
    end if;
    with recursive line (id, parent_id, above) as (
        select r.id, r.parent_id, 0 from piton.runs r where r.id = begin_child.parent
        union all
        select r.id, r.parent_id, l.above + 1 from line l join piton.runs r on r.id = l.parent_id
        where l.above < deepest
    )
    select max(l.above) + 1 into depth from line l;
    if depth > deepest then
        raise exception 'a run of "%" would be the %th run below another, over the limit of %', piton.quoted(workflow), depth, deepest
            using errcode = 'program_limit_exceeded', hint = 'Let its workflow start no runs that start runs of it again.';
    end if;
    if octet_length(input::text) > 200 or position('\u' in input::text) > 0 then
        perform piton.check_input(input);
    end if;
    select r.priority, r.traceparent, r.tracestate, r.started_by, d.at as deadline into strict above
    from piton.runs r left join piton.deadlines d on d.run_id = r.id
    where r.id = begin_child.parent;
    child := piton.start_run_of(version, run, input, above.priority, above.traceparent, above.tracestate);
    update piton.runs r
    set parent_id = begin_child.parent, parent_stage = begin_child.stage, parent_item = begin_child.item,
        detached = begin_child.detached, started_by = above.started_by
    where r.id = child;
    -- One that has passed is no matter: it ends the parent, and the child with it.
    if above.deadline is not null and not begin_child.detached then
        insert into piton.deadlines (run_id, at) values (child, above.deadline);
    end if;
    update piton.waits w set child_id = child
    where w.run_id = begin_child.parent and w.stage = begin_child.stage and w.item = begin_child.item;
    if begin_child.detached then
        said := json_build_object('run', run);
        return piton.end_child_wait(begin_child.parent, begin_child.stage, begin_child.item, child, 'answered', said);
    end if;
    return false;
end
$$;
comment on function piton.begin_child(bigint, smallint, integer, text, json, boolean) is 'For Piton itself: starts the run that a stage waits for. Returns whether the wait is over with that, for a run that is detached.';
