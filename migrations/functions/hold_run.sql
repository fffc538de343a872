-- The run's row is locked: a cleanup that deletes it at this moment is waited for.
create or replace function piton.hold_run(run uuid, reason text, actor text default session_user) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint;
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a run is held', 'piton.hold_run(run, ''why'')');
    select r.id into key from piton.runs r where r.uuid = hold_run.run for update;
    if not found then
        perform piton.refuse_run(run);
    end if;
    insert into piton.run_holds (run_id, reason, held_by) values (key, hold_run.reason, hold_run.actor)
    on conflict on constraint run_holds_pkey do update set reason = excluded.reason, held_by = excluded.held_by;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (hold_run.actor, 'hold', 'run', hold_run.run, jsonb_build_object('reason', hold_run.reason));
end
$$;
comment on function piton.hold_run(uuid, text, text) is 'Keeps cleanup from deleting a run and everything it made, for a reason.';
