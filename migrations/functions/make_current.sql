-- What a Piton of the release before calls with every file that it registers.
create or replace function piton.make_current(workflow bigint, version bigint) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform piton.deploy_if_new(workflow, version);
end
$$;
comment on function piton.make_current(bigint, bigint) is 'For older Pitons: piton.deploy_if_new.';
