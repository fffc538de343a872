-- Locked, for whoever decides about it. What a schedule of any other name would be is told with those that there are.
create or replace function piton.schedule_named(workflow text, schedule text) returns piton.schedules
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    queue bigint;
    found_one piton.schedules;
begin
    select w.id into queue from piton.workflows w where w.name = schedule_named.workflow;
    if queue is null then
        perform piton.refuse_workflow(workflow);
    end if;
    select s.* into found_one from piton.schedules s
    where s.workflow_id = queue and s.name = schedule_named.schedule for no key update;
    if not found then
        raise exception 'workflow "%" has no schedule "%"', piton.quoted(workflow), piton.quoted(coalesce(schedule, 'null'))
            using errcode = 'undefined_object',
                  detail = coalesce('There are: ' || (select string_agg(s.name, ', ' order by s.name) from piton.schedules s
                                                      where s.workflow_id = queue) || '.', 'There is none.'),
                  hint = 'Add [schedules.NAME] to its file and deploy it, or call piton.set_schedule.';
    end if;
    return found_one;
end
$$;
comment on function piton.schedule_named(text, text) is 'For Piton itself: the row of a schedule, locked; raises where there is none.';
