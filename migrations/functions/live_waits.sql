-- What the live jobs of one run, or of all, wait for, counted: the reason depends on nothing else than what they are grouped by, so
-- it is looked for once for each group, however many jobs there are.
create or replace function piton.live_waits(run uuid default null)
returns table (version_id bigint, stage smallint, reason text, jobs bigint, item integer, since timestamptz, why text, moves text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- To compile so large a statement takes longer than to answer it.
set jit = off
as $$
#variable_conflict use_column
begin
    return query
        with live as materialized (
            select j.version_id, j.stage,
                   case j.state
                       when 'running' then case when k.state = 'silent' then 'silent' when k.state in ('lost', 'stopped') then 'recovery' else 'running' end
                       when 'scheduled' then case when j.due_at <= now() then 'due' when j.attempt = 0 then 'later' else 'retry' end
                       else j.state end as state,
                   coalesce(k.parent, k.worker) as worker, k.last_seen, count(*) as jobs, min(j.item) as item, min(j.since) as since,
                   case j.state when 'waiting' then min(coalesce(t.latest, t.deadline)) else min(j.due_at) end as due_at, t.kind, t.name,
                   coalesce(c.state = 'blocked', false) as is_blocked
            -- Of either question one branch is never begun, and the plan is kept.
            from (
                select a.* from piton.jobs a where live_waits.run is null
                union all
                select a.* from piton.jobs a where a.run_id = (select r.id from piton.runs r where r.uuid = live_waits.run)
            ) as j
            left join piton.workers_overview k on k.worker_id = j.worker_id
            left join piton.waits t on j.state = 'waiting' and t.run_id = j.run_id and t.stage = j.stage and t.item = j.item
            left join piton.runs c on c.id = t.child_id
            group by j.version_id, j.stage, 3, j.state, 4, 5, t.kind, t.name, is_blocked
        ),
        grouped as (
            select l.version_id, l.stage, l.state, l.kind, l.name, l.is_blocked, sum(l.jobs)::int8 as jobs, min(l.item) as item, min(l.since) as since, min(l.due_at) as due_at,
                   piton.some_of(array_agg(distinct l.worker) filter (where l.worker is not null)) as workers,
                   count(distinct l.worker) as worker_count, piton.span_words(now() - min(l.last_seen)) as silence
            from live l
            group by 1, 2, 3, 4, 5, 6
        ),
        -- What failed before, of those that are due first: there may be a great many.
        failed as (
            select d.version_id, d.stage, string_agg(distinct a.class, ', ') as classes
            from (
                (select j.* from piton.jobs j
                 where live_waits.run is null and j.state = 'scheduled' and j.attempt > 0 order by j.due_at limit 1000)
                union all
                (select j.* from piton.jobs j
                 where j.run_id = (select r.id from piton.runs r where r.uuid = live_waits.run) and j.state = 'scheduled' and j.attempt > 0
                 limit 1000)
            ) as d
            join piton.attempts a on a.run_id = d.run_id and a.stage = d.stage and a.item = d.item and a.attempt = d.attempt
            where a.class is not null
            group by 1, 2
        )
        select g.version_id, g.stage, h.reason, g.jobs, nullif(g.item, -1), g.since,
               case h.reason
                   when 'running' then 'running on ' || coalesce(g.workers, '?')
                   when 'silent' then concat_ws('; ',
                       'running on ' || g.workers || case when g.worker_count = 1 then ', which has been silent for ' else ', which have been silent for up to ' end
                       || g.silence, h.also)
                   when 'recovery' then concat_ws('; ',
                       'running on ' || g.workers || case when g.worker_count = 1 then ', which is gone' else ', which are gone' end, h.also)
                   when 'later' then concat_ws('; ', 'starting later' || at.words, h.also)
                   when 'waiting' then concat_ws('; ',
                       case g.kind when 'sleep' then 'sleeping' when 'signal' then 'waiting for the signal "' || g.name || '"'
                                   when 'run' then case g.jobs when 1 then 'waiting for a run of ' else 'waiting for runs of ' end || g.name
                                                   || case when g.is_blocked then case g.jobs when 1 then ', which is blocked' else ', which are blocked' end else '' end
                                   when 'callback' then 'waiting for a service to call back'
                                   when 'poll' then 'asking a service until it is done'
                                   else h.why end
                       || coalesce(case when g.jobs = 1 then ' until ' else ', the first until ' end || piton.clock(g.due_at), ''), h.also)
                   when 'retry' then concat_ws('; ', 'waiting for a retry' || coalesce(' after ' || f.classes, '') || at.words, h.also)
                   else h.why end,
               case when h.reason = 'waiting' and g.kind = 'signal'
                    then 'piton signal ' || coalesce(live_waits.run::text, 'RUN') || ' ' || g.name || ' --set …'
                    when h.reason = 'waiting' and g.kind = 'run' and g.is_blocked
                    then 'piton runs --state blocked ' || coalesce('--parent ' || live_waits.run, '--workflow ' || g.name)
                    when h.reason = 'waiting' and g.kind = 'run'
                    then coalesce('their ends: piton runs --parent ' || live_waits.run, 'their ends')
                    else h.moves end
        from grouped g
        -- Looked up, and never worked out for all stages there are.
        cross join lateral (
            select * from piton.holds h where h.version_id = g.version_id and h.stage = g.stage and h.state = g.state offset 0
        ) as h
        left join failed f on g.state = 'retry' and f.version_id = g.version_id and f.stage = g.stage
        cross join lateral (
            select case when g.jobs = 1 then ', at ' else ', the first at ' end || piton.clock(g.due_at) as words
        ) as at;
end
$$;
comment on function piton.live_waits(uuid) is 'What live jobs wait for, counted by stage and reason: those of one run, or all.';
