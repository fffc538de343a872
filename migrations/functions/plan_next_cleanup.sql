-- The same as plan_cleanup.sql, for the next part of all that there is of a kind: so that a cleanup of very much goes over each table
-- once, and not once for every hundred thousand. The next part begins behind the key where this one ends.
create or replace function piton.plan_next_cleanup(what text, after text, most integer, out plan uuid, out last text)
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = on
set enable_hashjoin = on
set jit = off
as $$
declare
    place record;
    found_some bigint;
begin
    select p.* into strict place
    from (values ('artifacts', 'artifacts', 'id', 'artifact', 'uuid'),
                 ('runs', 'runs', 'id', 'run_id', 'bigint'),
                 ('batches', 'batches', 'uuid', 'batch', 'uuid'),
                 ('workers', 'workers', 'boot_id', 'worker', 'uuid'),
                 ('versions', 'workflow_versions', 'id', 'version', 'bigint')) as p (kind, table_name, key, due_key, type)
    where p.kind = plan_next_cleanup.what;
    if place.kind = 'artifacts' then
        perform piton.settle_artifacts(most);
        delete from piton.cleanups c where c.planned_at < now() - interval '90 days';
    end if;
    execute format('select t.%1$I::text from piton.%2$I t ' || case when after is not null then 'where t.%1$I > $1::%3$s ' else '' end || 'order by t.%1$I offset $2 limit 1',
                   place.key, place.table_name, place.type)
    into last using after, greatest(most, 1) - 1;
    plan := piton.new_id();
    insert into piton.cleanups (id, planned_by) values (plan, 'piton');
    execute format('insert into piton.cleanup_items (cleanup_id, number, what, type, workflow, run, run_id, artifact, batch, address,
                                                     bytes, worker, version)
                    select %1$L, row_number() over (order by d.since), d.what, d.type, d.workflow, d.run, d.run_id, d.artifact,
                           d.batch, d.address,
                           case d.what when ''runs''
                                       then (select least(coalesce(sum(k.bytes), 0), 9e18) from piton.checkpoints k where k.run_id = d.run_id)
                                       else d.bytes end,
                           d.worker, d.version
                    from piton.cleanup_due d
                    where d.what = %2$L and d.refused is null'
                   || case when after is not null then ' and d.%3$I > %4$L' else '' end
                   || case when last is not null then ' and d.%3$I <= %5$L' else '' end,
                   plan, place.kind, place.due_key, after, last);
    get diagnostics found_some = row_count;
    if found_some = 0 then
        delete from piton.cleanups c where c.id = plan;
        plan := null;
    end if;
end
$$;
comment on function piton.plan_next_cleanup(text, text, integer) is 'For Piton itself: writes down what is due among a number of artifacts, runs, batches, workers or versions that follow a key. Returns the plan (empty if nothing is due) and the last key it looked at (empty if there are no more).';
