-- The run's row first, as everyone who decides about a run: a commit that would add a job to it waits, and finds it ended.
create or replace function piton.cancel_run(run uuid, reason text, actor text default session_user) returns void
language plpgsql
as $$
declare
    key bigint;
begin
    if coalesce(trim(reason), '') = '' then
        raise exception 'a run is cancelled for a reason, and none was given'
            using errcode = 'invalid_parameter_value', hint = 'select piton.cancel_run(run, ''why'').';
    end if;
    select r.id into key from piton.runs r
    where r.uuid = cancel_run.run and r.state in ('running', 'blocked')
    for update;
    if not found then
        perform piton.refuse_run(run);
    end if;
    update piton.dead_letters d
    set resolution = 'dismissed', resolved_at = now(), resolved_by = cancel_run.actor, note = 'its run was cancelled: ' || reason
    where d.run_id = key and d.resolution = 'pending';
    update piton.runs r set state = 'cancelled', finished_at = now() where r.id = key;
    insert into piton.cancellations (run_id, reason, cancelled_by) values (key, cancel_run.reason, cancel_run.actor);
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select cancel_run.actor, 'cancel', 'run', cancel_run.run, jsonb_build_object('reason', cancel_run.reason)
    where cancel_run.actor <> 'piton';
    perform piton.cancel_jobs(key);
    delete from piton.joins j where j.run_id = key;
end
$$;
comment on function piton.cancel_run(uuid, text, text) is 'Ends a run that is not finished, for a reason. What runs of it is stopped, what waits goes, its dead letters are dismissed; its checkpoints stay.';
