-- One process at a time, so that pauses and limits are those of the version that stays. A stage that is paused or limited is so
-- before any run of the version can start.
create or replace function piton.make_current(workflow bigint, version bigint) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from piton.workflows w where w.id = make_current.workflow for no key update;
    update piton.workflows w set current_version_id = make_current.version
    where w.id = make_current.workflow and w.current_version_id is distinct from make_current.version;
    perform piton.renew_paused_stages(make_current.workflow);
    perform piton.renew_limits(make_current.workflow);
end
$$;
comment on function piton.make_current(bigint, bigint) is 'For Piton itself: makes a version the one that runs are started of, and brings pauses and limits of its stages up to date.';
