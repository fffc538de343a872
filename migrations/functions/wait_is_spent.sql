-- A wait is spent that its job was taken from (cancelled), or that an attempt has failed with: nobody answered in time, the service said
-- that it has failed, the run that was waited for did not finish, or the answer is not what was recorded. If the job is tried once more,
-- it waits anew. Any other failure leaves the end of the wait as it is: nobody is
-- asked twice.
create or replace function piton.wait_is_spent(run bigint, stage smallint, item integer, attempt integer, outcome text) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select wait_is_spent.outcome is not null
       and (wait_is_spent.outcome = 'cancelled'
            or exists (select from piton.attempts a
                       where a.run_id = wait_is_spent.run and a.stage = wait_is_spent.stage and a.item = wait_is_spent.item
                         and a.attempt >= wait_is_spent.attempt and a.outcome = 'failed'
                         and (wait_is_spent.outcome = 'failed' or a.class in ('wait_timeout', 'corrupt_checkpoint'))))
$$;
comment on function piton.wait_is_spent(bigint, smallint, integer, integer, text) is 'For Piton itself: whether a job that is tried again waits anew, for an attempt has failed with the end of this wait.';
