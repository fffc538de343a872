-- One batch. The runs are locked first, and looked at again then: one that is held now stays, and its item says why.
create or replace function piton.clean_runs(plan uuid, most integer) returns integer
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    chosen bigint[];
    keys bigint[];
    due bigint[];
begin
    -- The commits of the engine do not wait for this one: what a crash takes back is still an item, and is deleted again.
    perform set_config('synchronous_commit', 'off', true);
    select array_agg(i.number), array_agg(i.run_id) into chosen, keys
    from (select number, run_id from piton.cleanup_items
          where cleanup_id = clean_runs.plan and what = 'runs' and deleted_at is null and error is null
          order by number limit most) as i;
    if keys is null then
        return 0;
    end if;
    perform from piton.runs r where r.id = any(keys) order by r.id for update;
    -- With the offset it is a look-up for each of them, whatever the planner believes of all that is due.
    select coalesce(array_agg(d.run_id), '{}') into due
    from unnest(keys) as k (run_id)
    cross join lateral (
        select d.run_id from piton.cleanup_due d where d.what = 'runs' and d.run_id = k.run_id and d.refused is null
        offset 0
    ) as d;
    update piton.cleanup_items i
    set deleted_at = case when i.run_id = any(due) then now() end,
        error = case when i.run_id <> all(due) then 'it is gone, held, or no longer due' end
    where i.cleanup_id = clean_runs.plan and i.number = any(chosen);
    delete from piton.run_keys k using piton.runs r where r.id = any(due) and k.run = r.uuid;
    delete from piton.checkpoints where run_id = any(due);
    delete from piton.attempts where run_id = any(due);
    delete from piton.past_checkpoints where run_id = any(due);
    delete from piton.past_attempts where run_id = any(due);
    delete from piton.round_checkpoints where run_id = any(due);
    delete from piton.round_attempts where run_id = any(due);
    delete from piton.rounds where run_id = any(due);
    delete from piton.steps where run_id = any(due);
    delete from piton.finishes where run_id = any(due);
    delete from piton.waits where run_id = any(due);
    delete from piton.callbacks where run_id = any(due);
    delete from piton.run_files where run_id = any(due);
    delete from piton.schedule_runs where run_id = any(due);
    delete from piton.dead_letters where run_id = any(due);
    delete from piton.cancellations where run_id = any(due);
    delete from piton.deadlines where run_id = any(due);
    delete from piton.runs where id = any(due);
    return cardinality(chosen);
end
$$;
comment on function piton.clean_runs(uuid, integer) is 'For Piton itself: deletes the next runs of a cleanup, with all that is known of them, and returns how many items it dealt with; 0 when none is left.';
