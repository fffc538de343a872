-- A plan deletes exactly what it shows, or nothing. One that has begun before goes on.
create or replace function piton.begin_cleanup(plan uuid, actor text default session_user) returns void
language plpgsql
set enable_seqscan = on
set enable_hashjoin = on
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
        select count(*) into changed
        from piton.cleanup_items i
        where i.cleanup_id = begin_cleanup.plan
          and not exists (select from piton.cleanup_due d
                          where d.refused is null and d.what = i.what and d.run_id is not distinct from i.run_id
                            and d.artifact is not distinct from i.artifact and d.batch is not distinct from i.batch);
        if changed > 0 then
            raise exception 'the world has changed since cleanup % was planned: % of its items are gone, held, or no longer due',
                plan, changed
                using errcode = 'object_not_in_prerequisite_state', hint = 'Make a new plan: "piton cleanup preview".';
        end if;
        update piton.cleanups c set state = 'running', began_at = now() where c.id = begin_cleanup.plan;
        insert into piton.audit (actor, verb, subject_kind, subject)
        select begin_cleanup.actor, 'clean_up', 'cleanup', begin_cleanup.plan where begin_cleanup.actor is not null;
    end if;
end
$$;
comment on function piton.begin_cleanup(uuid, text) is 'For Piton itself: lets a plan begin, or go on; raises where what it shows is no longer what is due. Nobody decides about those that workers make by themselves: their actor is null.';
