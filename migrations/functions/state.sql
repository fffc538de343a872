-- The state in the database, as the metrics of the catalog: one row for each series, its labels in the order of the
-- catalog. Costs what is live, a look at a bounded number of runs, and the sizes of the tables; never the history.
--
-- Runs that wait for nothing (piton.unexplained_runs) are looked for among the newest and in a window that moves over all
-- of them from one call to the next: sweep_from is where it is. The rows sweep_next and sweep_found are for the caller.
create or replace function piton.state(sweep_from bigint)
returns table (metric text, label_1 text, label_2 text, label_3 text, value double precision)
language sql stable
set search_path = pg_catalog, pg_temp
-- What is live is walked, unlike in the engine's own plans; the runs behind it are looked up, for most are history.
set enable_seqscan = on
set enable_hashjoin = off
set enable_mergejoin = off
as $$
    with live as materialized (
        select j.workflow_id, j.version_id, j.stage, j.state, count(*) as jobs,
               count(*) filter (where soon.is_due and j.state = 'scheduled') as due_soon,
               count(*) filter (where j.state = 'scheduled' and j.attempt > 0) as retry_wait,
               min(j.since) filter (where j.state = 'ready') as ready_since,
               min(j.run_id) as oldest_run,
               -- A branch of a fan-out has the items up to `until` before it.
               sum(case when j.item >= 0 then greatest(j.until::int8 - j.item, 1) else 1 end)
                   filter (where soon.is_due or j.state <> 'scheduled') as attempts_left
        from piton.jobs j
        cross join lateral (select j.due_at < now() + interval '1 minute' as is_due) as soon
        group by j.workflow_id, j.version_id, j.stage, j.state
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
    live_run as (
        select j.workflow_id, j.run_id from piton.jobs j group by j.workflow_id, j.run_id
    ),
    letter as materialized (
        select d.workflow_id, d.run_id, d.class from piton.dead_letters d where d.resolution = 'pending'
    ),
    blocked as (
        select workflow_id, count(distinct run_id) as runs from letter group by workflow_id
    ),
    running as (
        select l.workflow_id, count(*) as runs from live_run l
        where l.run_id not in (select run_id from letter)
        group by l.workflow_id
    ),
    -- Stages that were never measured take as long as the others of their workflow, or a second.
    measured as (
        select t.workflow_id, t.stage, t.seconds / t.attempts as seconds from piton.stage_times t where t.attempts > 0
    ),
    mean as (
        select workflow_id, avg(seconds) as seconds from measured group by workflow_id
    ),
    slots as (
        select coalesce(avg(slots), 32) as each from piton.workers where stopped_at is null
    ),
    work as (
        select l.workflow_id,
               sum(least(l.attempts_left, limited.room) * greatest(coalesce(m.seconds, mean.seconds, 1), 0.001))
               / (select each from slots) as seconds
        from live l
        left join stage s on s.version_id = l.version_id and s.number = l.stage
        left join measured m on m.workflow_id = l.workflow_id and m.stage = s.stage
        left join mean on mean.workflow_id = l.workflow_id
        left join piton.limited_stages y on l.state = 'limited' and y.version_id = l.version_id and y.stage = l.stage
        left join lateral piton.limit_room(y.limit_id, now()) as limited on true
        -- More workers would help neither what is paused nor what has to wait for a limit.
        where l.state = 'running'
           or not exists (
               select from piton.pauses p where p.workflow_id in (l.workflow_id, 0) and p.stage in ('', s.stage))
        group by l.workflow_id
    ),
    class (name) as (
        values ('network_timeout'), ('rate_limited'), ('resource_unavailable'), ('out_of_memory'), ('unknown'),
               ('invalid_input'), ('auth_failure'), ('crashed'), ('corrupt_checkpoint')
    ),
    resolved as (
        select d.class, d.resolution, count(*) as letters from piton.dead_letters d
        where d.resolution <> 'pending' and d.resolved_at > now() - interval '24 hours'
        group by d.class, d.resolution
        union all
        select class, 'pending', count(*) from letter group by class
    ),
    newest as (
        select coalesce(max(id), 0) as run, coalesce(max(id), 0) - 10000 as from_run from piton.runs
    ),
    -- Jobs in every state, and joins, are looked at by their runs.
    unexplained as (
        select (select count(*) from piton.unexplained_live)
             + (select count(*) from newest n, piton.unexplained_runs(n.from_run + 1, n.run)) as now,
               (select count(*) from newest n,
                piton.unexplained_runs(state.sweep_from, least(state.sweep_from + 49999, n.from_run))) as found
    ),
    holder as (
        select h.holder, max(h.age_seconds) as seconds, max(h.transactions) as transactions
        from piton.snapshot_holders h group by h.holder
    ),
    relation as (
        select c.oid, c.relname::text as name, coalesce(s.n_dead_tup, 0) as dead
        from pg_class c
        left join pg_stat_user_tables s on s.relid = c.oid
        where c.relnamespace = 'piton'::regnamespace and c.relkind = 'r'
    )
    select 'piton_jobs', s.workflow, s.stage, state.name, sum(coalesce(l.jobs, 0))::float8
    from stage s
    cross join (values ('ready'), ('running'), ('scheduled'), ('suspect'), ('limited')) as state (name)
    left join live l on l.version_id = s.version_id and l.stage = s.number and l.state = state.name
    group by s.workflow, s.stage, state.name
    union all
    select series.metric, w.name, series.label, null, coalesce(series.value, 0)
    from piton.workflows w
    left join (
        select workflow_id, sum(due_soon) as due_soon, sum(retry_wait) as retry_wait, min(ready_since) as ready_since,
               min(oldest_run) as oldest_run
        from live group by workflow_id
    ) as l on l.workflow_id = w.id
    left join running on running.workflow_id = w.id
    left join blocked on blocked.workflow_id = w.id
    left join work on work.workflow_id = w.id
    left join piton.runs r on r.id = l.oldest_run
    cross join lateral (values
        ('piton_jobs_due_soon', null, l.due_soon::float8),
        ('piton_jobs_retry_wait', null, l.retry_wait::float8),
        ('piton_oldest_ready_age_seconds', null,
         case when not exists (select from piton.pauses p where p.workflow_id in (w.id, 0))
              then extract(epoch from now() - piton.finite(l.ready_since))::float8 end),
        ('piton_runs', 'running', running.runs::float8),
        ('piton_runs', 'blocked', blocked.runs::float8),
        ('piton_oldest_run_age_seconds', null, extract(epoch from now() - piton.finite(r.started_at))::float8),
        ('piton_work_left_seconds', null, work.seconds::float8)
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
                    else 'other' end as name, sum(a.bytes) as bytes
        from piton.artifacts a group by 1
    ) as a on a.name = type.name
    union all
    select 'piton_workflow_current_info', w.name, left(encode(v.digest, 'hex'), 12), null, 1
    from piton.workflows w join piton.workflow_versions v on v.id = w.current_version_id
    union all
    select 'piton_pauses', null, null, null, count(*)::float8 from piton.pauses
    union all
    select 'piton_dead_letters', class.name, resolution.name, null, coalesce(r.letters, 0)::float8
    from class
    cross join (values ('pending'), ('retried'), ('dismissed')) as resolution (name)
    left join resolved r on r.class = class.name and r.resolution = resolution.name
    union all
    select 'piton_workers', 'alive', null, null, count(*)::float8 from piton.workers where stopped_at is null
    union all
    select 'piton_workers', 'lost', null, null, count(*)::float8 from piton.workers
    where stop_reason = 'lost' and stopped_at > now() - interval '1 hour'
    union all
    select 'piton_unexplained_jobs', null, null, null, now::float8 from unexplained
    union all
    select 'sweep_found', null, null, null, found::float8 from unexplained
    union all
    select 'sweep_next', null, null, null,
           case when state.sweep_from + 50000 <= n.from_run then state.sweep_from + 50000 else 0 end::float8
    from newest n
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
comment on function piton.state(bigint) is 'For Piton itself: what the metrics of the state show. piton.unexplained_runs is asked of the newest 10000 runs and of the 50000 from sweep_from on; the row sweep_next says where to go on.';
