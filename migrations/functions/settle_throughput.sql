-- A worker sends what it counted for ten minutes at most: what is older than an hour is nobody's to add to.
create or replace function piton.settle_throughput() returns void
language sql
security definer set search_path = pg_catalog, pg_temp
as $$
    insert into piton.backlog as b (minute, workflow_id, jobs, seconds)
    select date_trunc('minute', now(), 'UTC'), coalesce(l.workflow_id, 0), coalesce(sum(l.waiting + l.running + l.to_come), 0),
           coalesce(sum((l.waiting + l.running + l.to_come) * l.each_seconds), 0)
    from piton.work_left(20000) as l
    group by grouping sets ((l.workflow_id), ())
    on conflict (minute, workflow_id) do update set jobs = excluded.jobs, seconds = excluded.seconds;

    with old as (
        delete from piton.throughput t
        where t.minute between now() - interval '1 day' and now() - interval '1 hour' and t.worker_id <> 0
        returning t.*, piton.is_sound_throughput(t) as is_sound
    )
    insert into piton.throughput as t (minute, worker_id, workflow_id, stage, done, given_up, failed, attempts, seconds, begun,
                                       waited, since, told_at, told)
    select o.minute, 0, o.workflow_id, o.stage, sum(o.done), sum(o.given_up), sum(o.failed), sum(o.attempts), sum(o.seconds),
           sum(o.begun), sum(o.waited), min(o.since), max(o.told_at), 0
    from old o
    where o.is_sound
    group by o.minute, o.workflow_id, o.stage
    on conflict (minute, worker_id, workflow_id, stage) do update
    set (done, given_up, failed, attempts, seconds, begun, waited) = (
            select coalesce(k.done, 0) + excluded.done, coalesce(k.given_up, 0) + excluded.given_up,
                   coalesce(k.failed, 0) + excluded.failed, coalesce(k.attempts, 0) + excluded.attempts,
                   coalesce(k.seconds, 0) + excluded.seconds, coalesce(k.begun, 0) + excluded.begun,
                   coalesce(k.waited, 0) + excluded.waited
            from (select) as one
            left join lateral (select t.* where piton.is_sound_throughput(t)) as k on true
        ), since = least(t.since, excluded.since),
        told_at = greatest(t.told_at, excluded.told_at);

    delete from piton.throughput t where t.minute < now() - interval '3 days';
    delete from piton.backlog b where b.minute < now() - interval '3 days';
$$;
comment on function piton.settle_throughput() is 'For Piton itself: notes what is left to do in this minute, puts what workers counted more than an hour ago together, and deletes what is older than three days. May run at any time, also on several workers at once.';
