-- A plan that was shown deletes exactly what it shows, or nothing. One that nobody was shown deletes what of it is still due, as
-- one does that goes on.
create or replace function piton.begin_cleanup(
    plan uuid, actor text default session_user, shown boolean default true
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
set jit = off
as $$
declare
    found_state text;
    changed bigint;
begin
    select c.state into found_state from piton.cleanups c where c.id = begin_cleanup.plan for update;
    if not found then
        raise exception 'there is no cleanup %', plan
            using errcode = 'no_data_found', hint = 'Make a plan: select piton.plan_cleanup(), or "piton cleanup preview".';
    end if;
    if found_state = 'done' then
        raise exception 'cleanup % is done already', plan
            using errcode = 'object_not_in_prerequisite_state', hint = 'Make a new plan: "piton cleanup preview".';
    end if;
    if found_state = 'planned' then
        -- By look-ups, one for each item: it costs what the plan has, and not what there is.
        select count(*) - count(d.is_due) into changed
        from piton.cleanup_items i
        left join lateral (
            select true as is_due from piton.cleanup_due d
            where i.what = 'runs' and d.what = 'runs' and d.run_id = i.run_id and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'artifacts' and d.what = 'artifacts' and d.run_id = i.run_id and d.artifact = i.artifact
              and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'batches' and d.what = 'batches' and d.batch = i.batch and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'workers' and d.what = 'workers' and d.worker = i.worker and d.refused is null
            union all
            select true from piton.cleanup_due d
            where i.what = 'versions' and d.what = 'versions' and d.version = i.version and d.refused is null
        ) as d on true
        where shown and i.cleanup_id = begin_cleanup.plan;
        if changed > 0 then
            raise exception 'much has changed since cleanup % was planned: % of its items are gone, held, or no longer due',
                plan, changed
                using errcode = 'object_not_in_prerequisite_state', hint = 'Make a new plan: "piton cleanup preview".';
        end if;
        update piton.cleanups c set state = 'running', began_at = now() where c.id = begin_cleanup.plan;
        insert into piton.audit (actor, verb, subject_kind, subject)
        select begin_cleanup.actor, 'clean_up', 'cleanup', begin_cleanup.plan where begin_cleanup.actor is not null;
    end if;
end
$$;
comment on function piton.begin_cleanup(uuid, text, boolean) is 'For Piton itself: begins a plan, or continues it; raises if what was shown is no longer what is due. Plans that workers make by themselves are not a person''s decision: their actor is null.';
