create or replace function piton.note_schedule(workflow bigint, schedule text, verb text, actor text, detail jsonb) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select note_schedule.actor, note_schedule.verb, 'schedule', w.name || '/' || note_schedule.schedule,
           jsonb_strip_nulls(jsonb_build_object('workflow', w.name) || note_schedule.detail)
    from piton.workflows w where w.id = note_schedule.workflow;
end
$$;
comment on function piton.note_schedule(bigint, text, text, text, jsonb) is 'For Piton itself: puts on record what was decided about a schedule.';
