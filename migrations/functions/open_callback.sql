-- On record before the service is asked, so that an answer always has its place. An attempt that finds the token of an earlier one
-- carries it on: the service may have got the request. Where that wait is spent, it begins anew, with a token of its own.
--
-- Locks: the job, the callback, the wait. Whoever answers takes the run's row, the callback and the wait, and the job only while it
-- waits; then nobody opens one.
create or replace function piton.open_callback(
    run bigint, job bigint, stage smallint, item integer, attempt integer, worker bigint, token bigint
) returns text
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    known piton.callbacks;
    number integer := 1;
    made text;
begin
    -- An answer that is just coming, in a transaction that is open, is not waited for here: the worker asks again.
    perform set_config('lock_timeout', '100ms', true);
    perform from piton.jobs j
    where j.run_id = open_callback.run and j.id = open_callback.job and j.stage = open_callback.stage and j.item = open_callback.item
      and j.attempt = open_callback.attempt and j.worker_id = open_callback.worker and j.token = open_callback.token
    for no key update;
    if not found then
        return null;
    end if;
    select c.* into known from piton.callbacks c
    where c.run_id = open_callback.run and c.stage = open_callback.stage and c.item = open_callback.item
    for update;
    if found then
        delete from piton.waits w
        where w.run_id = open_callback.run and w.stage = open_callback.stage and w.item = open_callback.item
          and piton.wait_is_spent(w.run_id, w.stage, w.item, w.attempt, w.outcome);
        if not found then
            return piton.callback_token(known.run_id, known.stage, known.item, known.round);
        end if;
        number := known.round + 1;
    end if;
    made := piton.callback_token(open_callback.run, open_callback.stage, open_callback.item, number);
    insert into piton.callbacks as c (run_id, stage, item, round, attempt, digest)
    values (open_callback.run, open_callback.stage, open_callback.item, number, open_callback.attempt, piton.callback_digest(made))
    on conflict (run_id, stage, item) do update
    set round = excluded.round, attempt = excluded.attempt, digest = excluded.digest, opened_at = now();
    return made;
end
$$;
comment on function piton.open_callback(bigint, bigint, smallint, integer, integer, bigint, bigint) is 'For Piton itself: the token that an attempt gives to the service it asks, once that is on record; null where the attempt no longer holds its job.';
