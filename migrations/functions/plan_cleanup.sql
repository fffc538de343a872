-- The items are on record before anything is deleted. Those of artifacts come first: a run goes when it has none any more.
create or replace function piton.plan_cleanup(most integer default 100000, actor text default session_user) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = on
set enable_hashjoin = on
set jit = off
as $$
declare
    plan uuid := piton.new_id();
begin
    perform piton.check_said(actor, null);
    perform piton.settle_artifacts(most);
    delete from piton.cleanups c where c.planned_at < now() - interval '90 days';
    insert into piton.cleanups (id, planned_by) values (plan, plan_cleanup.actor);
    insert into piton.cleanup_items (cleanup_id, number, what, type, workflow, run, run_id, artifact, batch, address, bytes,
                                     worker, version)
    select plan, row_number() over (order by d.what, d.since), d.what, d.type, d.workflow, d.run, d.run_id, d.artifact, d.batch,
           d.address,
           case d.what when 'runs' then (select least(coalesce(sum(k.bytes), 0), 9e18) from piton.checkpoints k where k.run_id = d.run_id)
                       else d.bytes end,
           d.worker, d.version
    from (select * from piton.cleanup_due d where d.refused is null order by d.what, d.since limit most) as d;
    return plan;
end
$$;
comment on function piton.plan_cleanup(integer, text) is 'Writes down what is due to be deleted, up to a maximum number of items, and returns the plan. Deletes nothing: piton cleanup run --plan does.';
