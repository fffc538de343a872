-- The same as why_waiting for all live jobs, counted: their reason depends on nothing else than what they are grouped by, so it
-- is looked for once for each group, however many jobs there are.
create or replace view piton.waiting_overview as
with live as materialized (
    select j.version_id, j.stage, j.state, j.attempt = 0 as is_new, j.due_at <= now() as is_due,
           k.stopped_at is not null as is_orphaned, count(*) as jobs, min(j.since) as since, min(j.due_at) as due_at
    from piton.jobs j
    left join piton.workers k on k.id = j.worker_id
    group by 1, 2, 3, 4, 5, 6
),
told as (
    select l.version_id, l.stage, l.jobs, l.since, h.reason, h.why, h.moves
    from live l
    join piton.holds h on h.version_id = l.version_id and h.stage = l.stage and h.state = l.state
    union all
    select l.version_id, l.stage, l.jobs, l.since, case when l.is_orphaned then 'recovery' else 'running' end,
           case when l.is_orphaned then 'their workers are gone' else 'running on workers' end,
           case when l.is_orphaned then 'the next look of a worker, about a second' else 'their ends, or their time limits' end
    from live l
    where l.state = 'running'
    union all
    select l.version_id, l.stage, l.jobs, l.since, case when l.is_due then 'due' when l.is_new then 'later' else 'retry' end,
           case when l.is_due then 'due'
                else case when l.is_new then 'started for later' else 'failed, and tried again' end
                     || ', the first at ' || piton.clock(l.due_at) end,
           case when l.is_due then 'the next look of a worker, about a second' else 'their due times' end
    from live l
    where l.state = 'scheduled'
)
select w.name as workflow, s.name as stage, t.reason, sum(t.jobs)::int8 as jobs, min(t.since) as oldest_since,
       max(t.why) as why, max(t.moves) as moves
from told t
join piton.stage_names s on s.version_id = t.version_id and s.stage = t.stage
join piton.workflows w on w.id = s.workflow_id
group by 1, 2, 3
union all
select d.workflow, d.stage, 'decision', count(*), min(d.dead_at), 'given up after ' || string_agg(distinct d.class, ', '),
       'piton dead-letter list'
from piton.dead_letters_overview d
where d.resolution = 'pending'
group by 1, 2;
comment on view piton.waiting_overview is 'What is stuck and why: live jobs and dead letters, by workflow, stage and reason. Behind it is a row of piton.why_waiting for each.';
comment on column piton.waiting_overview.workflow is 'Name of the workflow.';
comment on column piton.waiting_overview.stage is 'Name of the stage.';
comment on column piton.waiting_overview.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.waiting_overview.jobs is 'How many jobs, or dead letters.';
comment on column piton.waiting_overview.oldest_since is 'Since when the first of them.';
comment on column piton.waiting_overview.why is 'The reason in words.';
comment on column piton.waiting_overview.moves is 'What would move them.';
