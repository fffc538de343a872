-- The run's row first, as everyone who decides about a run: a commit that would add a job to it waits, and finds it ended.
create or replace function piton.end_run(run uuid, reason text, actor text, deadline timestamptz) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint;
begin
    -- Whose stage waits for this one comes first; of most runs there is none.
    perform from piton.runs p where p.id = (select r.parent_id from piton.runs r where r.uuid = end_run.run) for key share;
    select r.id into key from piton.runs r
    where r.uuid = end_run.run and r.state in ('running', 'blocked')
    for update;
    if not found then
        perform piton.refuse_run(run);
    end if;
    update piton.dead_letters d
    set resolution = 'dismissed', resolved_at = now(), resolved_by = end_run.actor, note = 'its run was cancelled: ' || reason
    where d.run_id = key and d.resolution = 'pending';
    update piton.runs r set state = 'cancelled', finished_at = now() where r.id = key;
    insert into piton.cancellations (run_id, reason, cancelled_by, deadline)
    values (key, end_run.reason, end_run.actor, end_run.deadline);
    perform piton.cancel_jobs(key);
    delete from piton.joins j where j.run_id = key;
    perform piton.answer_parent(key);
end
$$;
comment on function piton.end_run(uuid, text, text, timestamptz) is 'For Piton itself: cancels a run that is not finished, because somebody said so or its deadline passed.';
