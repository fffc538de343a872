-- The one place that judges whether a worker lives: by its row it is told to be alive until somebody ends it, and where nobody is
-- left, nobody does. Silent for longer than its lease, it is what any other worker would take for gone.
create or replace view piton.workers_overview as
select w.name as worker, w.boot_id as boot,
       case when w.stop_reason = 'drained' then 'stopped'
            when w.stopped_at is not null then 'lost'
            when w.last_seen < now() - l.lease then 'silent'
            when w.stopping_at is not null then 'stopping'
            else 'alive' end as state,
       case when w.parent is not null then coalesce(p.name, '?') end as parent, w.build, w.host, w.pid, w.slots,
       (select count(*) from piton.jobs j where j.worker_id = w.id and j.state = 'running') as jobs,
       (select coalesce(json_agg(json_build_object('workflow', held.workflow, 'stage', held.stage, 'jobs', held.jobs,
                                                   'oldest_since', held.since) order by held.jobs desc, 1), '[]')
        from (
            select k.name as workflow, coalesce(s.name, '#' || j.stage) as stage, count(*) as jobs,
                   piton.finite(min(j.since)) as since
            from piton.jobs j
            join piton.workflows k on k.id = j.workflow_id
            left join piton.stage_names s on s.version_id = j.version_id and s.stage = j.stage
            where j.state = 'running'
              and (j.worker_id = w.id
                   or j.worker_id in (select r.id from piton.workers r where r.parent = w.id and r.stopped_at is null))
            group by 1, 2
        ) as held) as stages,
       (select count(*) from piton.workers r where r.parent = w.id and r.stopped_at is null) as runners,
       w.started_at, w.last_seen, l.lease, w.stopping_at, w.stopped_at, w.stop_reason, w.exit, w.id as worker_id,
       case when w.stopped_at is null then coalesce(w.warm, '[]') else '[]' end as warm
from piton.workers w
left join piton.workers p on p.id = w.parent
-- A boot of an older version did not say its lease.
cross join lateral (select coalesce(w.lease, interval '15 seconds') as lease) as l;
comment on view piton.workers_overview is 'Workers, one row for each start of one, and whether they live. Those that take jobs: where state = ''alive'' and parent is null.';
comment on column piton.workers_overview.worker is 'Its name.';
comment on column piton.workers_overview.boot is 'Id of this start of it.';
comment on column piton.workers_overview.state is 'alive; stopping (it ends what it runs, and takes nothing more); silent (not heard of for longer than its lease: it is gone or cut off, and a worker that lives takes its jobs); lost (others have ended it); stopped (it shut down).';
comment on column piton.workers_overview.parent is 'Name of the worker that started it, to run suspects in a process of their own; empty for an ordinary worker.';
comment on column piton.workers_overview.build is 'Version of Piton in it, and when its program was written; empty for workers of older versions.';
comment on column piton.workers_overview.host is 'Host that it runs on.';
comment on column piton.workers_overview.pid is 'Its process there.';
comment on column piton.workers_overview.slots is 'How many attempts it runs side by side at most; empty for workers of older versions.';
comment on column piton.workers_overview.jobs is 'Attempts that it runs.';
comment on column piton.workers_overview.stages is 'What it and its runners run: workflow, stage, how many, and since when the oldest.';
comment on column piton.workers_overview.runners is 'Processes that it has started to run suspects.';
comment on column piton.workers_overview.started_at is 'When it was started.';
comment on column piton.workers_overview.last_seen is 'When it was last heard of.';
comment on column piton.workers_overview.lease is 'How long it may be silent before it counts as gone.';
comment on column piton.workers_overview.stopping_at is 'When it was asked to stop.';
comment on column piton.workers_overview.stopped_at is 'When it ended, by itself or in the eyes of the others.';
comment on column piton.workers_overview.stop_reason is 'drained (it shut down), superseded (another start took its name), or lost.';
comment on column piton.workers_overview.exit is 'How its process ended, where that was seen.';
comment on column piton.workers_overview.worker_id is 'What jobs and attempts refer to it by.';
comment on column piton.workers_overview.warm is 'Processes of warm stages that it keeps, as it reported a few seconds ago at most: workflow, stage, starting, idle, busy, stopping.';
