-- One batch of workers and versions, as clean_batches.sql does: locked first, and looked at again then. A version that a run is
-- started on at this moment is waited for, and stays.
create or replace function piton.clean_records(plan uuid, most integer) returns integer
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    chosen bigint[];
    boots uuid[];
    unused bigint[];
begin
    select array_agg(i.number), array_agg(i.worker) filter (where i.what = 'workers'),
           array_agg(i.version) filter (where i.what = 'versions')
    into chosen, boots, unused
    from (select number, what, worker, version from piton.cleanup_items
          where cleanup_id = clean_records.plan and what in ('workers', 'versions') and deleted_at is null and error is null
          order by number limit most) as i;
    if chosen is null then
        return 0;
    end if;
    perform from piton.workflow_versions v where v.id = any(unused) order by v.id for update;
    select coalesce(array_agg(d.worker), '{}') into boots
    from unnest(boots) as k (worker)
    cross join lateral (
        select d.worker from piton.cleanup_due d where d.what = 'workers' and d.worker = k.worker and d.refused is null offset 0
    ) as d;
    select coalesce(array_agg(d.version), '{}') into unused
    from unnest(unused) as k (version)
    cross join lateral (
        select d.version from piton.cleanup_due d where d.what = 'versions' and d.version = k.version and d.refused is null offset 0
    ) as d;
    update piton.cleanup_items i
    set deleted_at = case when i.worker = any(boots) or i.version = any(unused) then now() end,
        error = case when coalesce(i.worker <> all(boots), true) and coalesce(i.version <> all(unused), true)
                     then 'it is gone, or no longer due' end
    where i.cleanup_id = clean_records.plan and i.number = any(chosen);
    delete from piton.workers w where w.boot_id = any(boots);
    -- What was current once is never new again.
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select 'cleanup', 'forget', 'workflow', w.name, jsonb_build_object('from', encode(v.digest, 'hex'))
    from piton.workflow_versions v
    join piton.workflows w on w.id = v.workflow_id
    where v.id = any(unused) and v.deployed_at is not null
      and not exists (
          select from piton.audit a
          where a.subject_kind = 'workflow' and a.subject = w.name
            and encode(v.digest, 'hex') in (a.detail ->> 'from', a.detail ->> 'to'));
    delete from piton.paused_stages s where s.version_id = any(unused);
    delete from piton.limited_stages s where s.version_id = any(unused);
    delete from piton.workflow_versions v where v.id = any(unused);
    return cardinality(chosen);
end
$$;
comment on function piton.clean_records(uuid, integer) is 'For Piton itself: deletes the next workers and workflow versions of a cleanup, and returns how many it dealt with; 0 when none is left.';
