-- The state in the database, as the metrics of the catalog: one row for each series, its labels in the order of the
-- catalog. However much there is, it reads no more than 20,000 live jobs of each state, and pending dead letters; where there are
-- more, it estimates them from a thousand pages of their table, as it does artifacts. What is left to do piton.outlook_state tells.
--
-- What waits for nothing (piton.unexplained_jobs) is looked for among the newest runs and in a window that moves over all
-- of them from one call to the next: sweep_from is where it is. The rows sweep_next and sweep_found are for the caller.
create or replace function piton.state(sweep_from bigint)
returns table (metric text, label_1 text, label_2 text, label_3 text, value double precision)
language sql stable
set search_path = pg_catalog, pg_temp
-- Tables of little are walked, unlike in the engine's own plans; the runs behind what is live are looked up, for most are
-- history, and jobs are read in the order of an index, as far as is wanted.
set enable_seqscan = on
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
set jit = off
as $$
    with recursive job as materialized (
        select * from piton.live_jobs(20000)
    ),
    live as materialized (
        select j.workflow_id, j.version_id, j.stage, j.state, round(sum(j.jobs)) as jobs,
               round(sum(j.jobs) filter (where soon.is_due and j.state = 'scheduled')) as due_soon,
               round(sum(j.jobs) filter (where j.state = 'scheduled' and j.attempt > 0)) as retry_wait,
               min(j.since) filter (where j.state in ('ready', 'limited')) as since,
               min(j.run_id) as oldest_run
        from job j
        cross join lateral (select j.due_at < now() + interval '1 minute' as is_due) as soon
        group by j.workflow_id, j.version_id, j.stage, j.state
    ),
    -- Among very many, the next ones that are due and the oldest ones are still told exactly.
    due as (
        select f.workflow_id, count(*) as jobs
        from (
            select j.workflow_id from piton.jobs j
            where j.state = 'scheduled' and j.due_at < now() + interval '1 minute' order by j.due_at limit 20001
        ) as f
        group by f.workflow_id
    ),
    eldest as (
        select o.workflow_id, min(o.run_id) as run_id
        from (select j.workflow_id, j.run_id from piton.jobs j order by j.run_id, j.id limit 10000) as o
        group by o.workflow_id
    ),
    head (workflow_id, rank, since) as (
        values (0::int8, 0::int2, null::timestamptz)
        union all
        select next.workflow_id, next.rank, next.since
        from head
        cross join lateral (
            select j.workflow_id, j.rank, j.since
            from piton.jobs j
            where j.state = 'ready' and (j.workflow_id, j.rank) > (head.workflow_id, head.rank)
            order by j.workflow_id, j.rank, j.due_at, j.id
            limit 1
        ) as next
    ),
    waiting as (
        select w.workflow_id, min(w.since) as since
        from (
            (select h.workflow_id, h.since from head h limit 1000)
            union all
            -- What was set aside for others than the worker that met it can be claimed as well.
            select l.workflow_id, l.since from live l
            where l.state = 'ready' or l.state = 'limited' and not exists (
                select from piton.limited_stages y
                join piton.stage_limits s on s.id = y.limit_id
                where y.version_id = l.version_id and y.stage = l.stage
                  -- What waits only for a limit on each worker, more workers could do.
                  and (s.per_worker is null or num_nonnulls(s.concurrency, s.rate_attempts) > 0))
        ) as w
        group by w.workflow_id
    ),
    stage as materialized (
        select w.id as workflow_id, w.name as workflow, v.id as version_id, (s.place - 1)::int2 as number,
               s.definition ->> 'name' as stage
        from piton.workflows w
        join piton.workflow_versions v on v.workflow_id = w.id
        cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
        where v.id = coalesce(w.current_version_id,
                              (select n.id from piton.workflow_versions n where n.workflow_id = w.id
                               order by n.registered_at desc, n.id desc limit 1))
           or v.id in (select version_id from live)
    ),
    few_letters as materialized (
        select d.workflow_id, d.run_id, d.stage, d.item, d.class from piton.dead_letters d
        where d.resolution = 'pending'
        order by d.run_id, d.stage, d.item limit 20001
    ),
    letter as materialized (
        select f.workflow_id, f.run_id, f.stage, f.item, f.class, 1::float8 as letters from few_letters f
        where (select count(*) from few_letters) <= 20000
        union all
        select d.workflow_id, d.run_id, d.stage, d.item, d.class,
               1 / least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.dead_letters'), 1))
        from piton.dead_letters d
            tablesample system (100 * least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.dead_letters'), 1)))
        where (select count(*) from few_letters) > 20000 and d.resolution = 'pending'
    ),
    blocked as (
        select l.workflow_id, round(sum(l.letters)) as runs from letter l
        where not exists (select from piton.dead_letters o
                          where o.run_id = l.run_id and o.resolution = 'pending' and (o.stage, o.item) < (l.stage, l.item))
        group by l.workflow_id
    ),
    live_run as (
        select distinct j.workflow_id, j.run_id, 1::float8 as runs from job j
        where (select max(k.jobs) from job k) = 1
        union all
        -- Where some are estimated, a run is counted with the first of its jobs.
        select j.workflow_id, j.run_id, j.jobs from job j
        where (select max(k.jobs) from job k) > 1
          and not exists (select from piton.jobs o where o.run_id = j.run_id and o.id < j.id)
    ),
    running as (
        select l.workflow_id, round(sum(l.runs)) as runs from live_run l
        where not exists (select from piton.dead_letters d where d.run_id = l.run_id and d.resolution = 'pending')
        group by l.workflow_id
    ),
    class (name) as (
        values ('network_timeout'), ('rate_limited'), ('resource_unavailable'), ('out_of_memory'), ('unknown'),
               ('invalid_input'), ('auth_failure'), ('crashed'), ('corrupt_checkpoint'), ('wait_timeout'), ('child_failed'), ('not_good_enough')
    ),
    resolved as (
        select d.class, d.resolution, count(*) as letters from piton.dead_letters d
        where d.resolution <> 'pending' and d.resolved_at > now() - interval '24 hours'
        group by d.class, d.resolution
        union all
        select class, 'pending', round(sum(letters)) from letter group by class
    ),
    -- From there on they are the newest: ten thousand runs, or fewer where they have many jobs.
    newest as (
        select coalesce(max(r.id), 0) as run,
               greatest(coalesce(max(r.id), 0) - 10000,
                        coalesce((select j.run_id from piton.jobs j order by j.run_id desc, j.id desc offset 20000 limit 1), 0))
                   as after_run
        from piton.runs r
    ),
    swept as (
        select least(state.sweep_from + 19999, n.after_run,
                     coalesce((select j.run_id from piton.jobs j where j.run_id >= state.sweep_from
                               order by j.run_id, j.id offset 20000 limit 1), n.after_run)) as last_run,
               n.after_run
        from newest n
    ),
    -- The bounds are told as values, which are looked for in the index of each part.
    unexplained as (
        select (select count(*) from piton.unexplained_live u
                where u.run_id between (select n.after_run + 1 from newest n) and (select greatest(n.run, 9223372036854775807) from newest n))
             + (select count(*) from newest n, piton.unexplained_runs(n.after_run + 1, n.run)) as now,
               (select count(*) from piton.unexplained_live u
                where u.run_id between (select state.sweep_from from swept) and (select s.last_run from swept s))
             + (select count(*) from swept s, piton.unexplained_runs(state.sweep_from, s.last_run)) as found
    ),
    holder as (
        select h.holder, max(h.age_seconds) as seconds, max(h.transactions) as transactions
        from piton.snapshot_holders h group by h.holder
    ),
    -- Sleeps have no timeout: theirs is their end.
    near as (
        select f.kind, count(*) as waits
        from (
            select w.kind, coalesce(w.latest, w.deadline) as ends_at from piton.waits w
            where w.outcome is null and w.deadline < now() + interval '1 hour' order by w.deadline limit 20001
        ) as f
        -- Of a poll the deadline is the next one.
        where f.kind <> 'sleep' and f.ends_at < now() + interval '1 hour'
        group by f.kind
    ),
    relation as (
        select c.oid, c.relname::text as name, coalesce(s.n_dead_tup, 0) as dead
        from pg_class c
        left join pg_stat_user_tables s on s.relid = c.oid
        where c.relnamespace = 'piton'::regnamespace and c.relkind = 'r'
    )
    select 'piton_jobs', s.workflow, s.stage, state.name, sum(coalesce(l.jobs, 0))::float8
    from stage s
    cross join (values ('ready'), ('running'), ('scheduled'), ('suspect'), ('limited'), ('waiting')) as state (name)
    left join live l on l.version_id = s.version_id and l.stage = s.number and l.state = state.name
    group by s.workflow, s.stage, state.name
    union all
    select series.metric, w.name, series.label, null, coalesce(series.value, 0)
    from piton.workflows w
    left join (
        select workflow_id, sum(due_soon) as due_soon, sum(retry_wait) as retry_wait, min(oldest_run) as oldest_run
        from live group by workflow_id
    ) as l on l.workflow_id = w.id
    left join due on due.workflow_id = w.id
    left join eldest on eldest.workflow_id = w.id
    left join waiting on waiting.workflow_id = w.id
    left join running on running.workflow_id = w.id
    left join blocked on blocked.workflow_id = w.id
    left join piton.runs r on r.id = least(l.oldest_run, eldest.run_id)
    cross join lateral (values
        ('piton_jobs_due_soon', null, case when due.jobs > 20000 then l.due_soon else due.jobs end::float8),
        ('piton_jobs_retry_wait', null, l.retry_wait::float8),
        ('piton_oldest_ready_age_seconds', null,
         case when not exists (select from piton.pauses p where p.workflow_id in (w.id, 0))
              then extract(epoch from now() - piton.finite(waiting.since))::float8 end),
        ('piton_runs', 'running', running.runs::float8),
        ('piton_runs', 'blocked', blocked.runs::float8),
        ('piton_oldest_run_age_seconds', null, extract(epoch from now() - piton.finite(r.started_at))::float8)
    ) as series (metric, label, value)
    union all
    select 'piton_runs_past_deadline', null, null, null,
           ((select count(*) from piton.cancellations c
             where c.deadline is not null and c.cancelled_at > now() - interval '24 hours')
            + (select count(*) from piton.deadlines d where d.at < now()))::float8
    union all
    select 'piton_cleanup_age_seconds', null, null, null,
           extract(epoch from now() - coalesce(
               (select c.ended_at from piton.cleanups c where c.state = 'done' order by c.planned_at desc limit 1),
               (select min(m.installed_on) from piton.migrations m)))::float8
    union all
    select 'piton_artifact_bytes', type.name, null, null, coalesce(a.bytes, 0)::float8
    from (values ('output'), ('preview'), ('temp'), ('failed'), ('orphan'), ('dead_letter'), ('pending'), ('other')) as type (name)
    left join (
        select case when a.type in ('output', 'preview', 'temp', 'failed', 'orphan', 'dead_letter', 'pending') then a.type
                    else 'other' end as name,
               round(sum(a.bytes)
                     / least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.artifacts'), 1))) as bytes
        from piton.artifacts a
            tablesample system (100 * least(1, 1000 * current_setting('block_size')::float8 / greatest(pg_relation_size('piton.artifacts'), 1)))
        group by 1
    ) as a on a.name = type.name
    union all
    select 'piton_workflow_current_info', w.name, left(encode(v.digest, 'hex'), 12), null, 1
    from piton.workflows w join piton.workflow_versions v on v.id = w.current_version_id
    union all
    select series.metric, kind.name, null, null, coalesce(series.value, 0)
    from (values ('sleep'), ('signal'), ('callback'), ('poll'), ('run')) as kind (name)
    cross join lateral (
        select count(*) as waits, min(w.since) as since
        from (select o.since from piton.waits o where o.kind = kind.name and o.ended_at is null order by o.kind, o.since limit 100001) as w
    ) as open
    left join near on near.kind = kind.name
    cross join lateral (values
        ('piton_waits', open.waits::float8),
        ('piton_oldest_wait_age_seconds', extract(epoch from now() - piton.finite(open.since))::float8),
        ('piton_waits_near_timeout', near.waits::float8)
    ) as series (metric, value)
    union all
    select 'piton_pauses', null, null, null, count(*)::float8 from piton.pauses
    union all
    select 'piton_schedules', state.name, null, null,
           (count(s.name) filter (where case when s.paused_at is null then 'active' when s.paused_because in ('failures', 'definition') then 'stopped'
                                             else 'paused' end = state.name))::float8
    from (values ('active'), ('paused'), ('stopped')) as state (name)
    left join piton.schedules s on true
    group by state.name
    union all
    -- A tick that waits for a run to end is not late.
    select 'piton_schedule_overdue_seconds', w.name, null, null,
           coalesce(extract(epoch from now() - min(s.look_at) filter (
               where s.paused_at is null and s.next_tick <= now() and s.look_at <= now() and s.queued_tick is null
                 and exists (select from piton.open_queues(array[s.workflow_id])))), 0)::float8
    from piton.schedules s join piton.workflows w on w.id = s.workflow_id
    group by w.name
    union all
    select 'piton_dead_letters', class.name, resolution.name, null, coalesce(r.letters, 0)::float8
    from class
    cross join (values ('pending'), ('tolerated'), ('retried'), ('dismissed')) as resolution (name)
    left join resolved r on r.class = class.name and r.resolution = resolution.name
    union all
    select 'piton_workers', state.name, null, null, (count(k.state) filter (where k.state = state.name))::float8
    from (values ('alive'), ('stopping'), ('silent')) as state (name)
    left join (select w.state from piton.workers_overview w where w.stopped_at is null and w.parent is null) as k on true
    group by state.name
    union all
    select 'piton_workers', 'lost', null, null, count(*)::float8 from piton.workers
    where stop_reason = 'lost' and parent is null and stopped_at > now() - interval '1 hour'
    union all
    select 'piton_unexplained_jobs', null, null, null, now::float8 from unexplained
    union all
    select 'sweep_found', null, null, null, found::float8 from unexplained
    union all
    select 'sweep_next', null, null, null,
           case when s.last_run < s.after_run then s.last_run + 1 else 0 end::float8
    from swept s
    union all
    select 'piton_table_bytes', name, null, null, pg_table_size(oid)::float8 from relation
    union all
    select 'piton_index_bytes', name, null, null, pg_indexes_size(oid)::float8 from relation
    union all
    select 'piton_dead_rows', name, null, null, dead::float8 from relation
    union all
    select 'piton_database_bytes', null, null, null, pg_database_size(current_database())::float8
    union all
    select series.metric, kind.name, null, null, coalesce(series.value, 0)
    from (values ('session'), ('prepared'), ('slot'), ('standby')) as kind (name)
    left join holder h on h.holder = kind.name
    cross join lateral (values
        ('piton_oldest_snapshot_age_seconds', h.seconds),
        ('piton_oldest_snapshot_transactions', h.transactions::float8)
    ) as series (metric, value)
$$;
comment on function piton.state(bigint) is 'For Piton itself: what the metrics of the state show. What piton.unexplained_jobs shows is asked of the newest runs and of those from sweep_from on; the row sweep_next says where to go on.';
