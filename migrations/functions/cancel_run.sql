create or replace function piton.cancel_run(run uuid, reason text, actor text default session_user) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a run is cancelled', 'piton.cancel_run(run, ''why'')');
    perform piton.end_run(run, reason, actor, null);
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (cancel_run.actor, 'cancel', 'run', cancel_run.run, jsonb_build_object('reason', cancel_run.reason));
end
$$;
comment on function piton.cancel_run(uuid, text, text) is 'Ends a run that is not finished, for a reason. What runs of it is stopped, what waits goes, its dead letters are dismissed; its checkpoints stay.';
