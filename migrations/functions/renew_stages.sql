-- For a version that is registered and not deployed: a run that is started of it keeps to pauses and limits as any other.
create or replace function piton.renew_stages(workflow bigint) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from piton.workflows w where w.id = renew_stages.workflow for no key update;
    perform piton.renew_paused_stages(renew_stages.workflow);
    perform piton.renew_limits(renew_stages.workflow);
end
$$;
comment on function piton.renew_stages(bigint) is 'For Piton itself: brings pauses and limits of the stages of all versions of a workflow up to date.';
