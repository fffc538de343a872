-- What is left to do, as metrics of the catalog, in the shape of piton.state: it costs more than all the rest, so that a worker
-- which has only just begun does without.
create or replace function piton.outlook_state()
returns table (metric text, label_1 text, label_2 text, label_3 text, value double precision)
language sql stable
set search_path = pg_catalog, pg_temp
set enable_hashjoin = on
set enable_sort = on
set enable_seqscan = on
set jit = off
as $$
    -- Of one that is not heard of nothing is expected.
    with slots as (
        select coalesce(avg(slots), 32) as each from piton.workers
        where stopped_at is null and parent is null and last_seen > now() - coalesce(lease, interval '15 seconds')
    )
    select series.metric, w.name, null, null, coalesce(series.value, 0)
    from piton.workflows w
    left join piton.outlook_overview o on o.workflow = w.name
    cross join lateral (values
        ('piton_work_left_seconds', o.movable_work_seconds / (select each from slots)),
        ('piton_empty_seconds', case when o.why_not_empty is null then o.empty_seconds else 'Infinity' end)
    ) as series (metric, value)
$$;
comment on function piton.outlook_state() is 'For Piton itself: what the metrics show of the work that is left.';
