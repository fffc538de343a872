-- By what the runs are now: one that was retried and is done is no failure any more. Those that work, or were cancelled, say nothing.
create or replace function piton.failed_in_a_row(workflow bigint, schedule text, since timestamptz, most integer) returns integer
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*)::integer
    from (
        select bool_and(l.state in ('failed', 'blocked')) over (order by l.tick desc) as failed
        from (
            select r.tick, u.state
            from piton.schedule_runs r join piton.runs u on u.id = r.run_id
            where r.workflow_id = failed_in_a_row.workflow and r.schedule = failed_in_a_row.schedule
              and r.tick > failed_in_a_row.since and u.state not in ('running', 'cancelled')
            order by r.tick desc
            limit most
        ) as l
    ) as n
    where n.failed and most is not null
$$;
comment on function piton.failed_in_a_row(bigint, text, timestamptz, integer) is 'For Piton itself: how many of the last runs of a schedule have failed or are blocked, one after another, and no more than so many.';
