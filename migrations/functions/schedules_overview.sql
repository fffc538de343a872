-- Schedules, for people.
create or replace view piton.schedules_overview as
select w.name as workflow, s.name as schedule,
       coalesce(s.definition ->> 'cron' || ' in ' || coalesce(s.definition ->> 'zone', 'UTC'), 'every ' || (s.definition ->> 'every')) as at,
       case when s.paused_at is not null then 'paused'
            when exists (select from piton.pauses p where p.workflow_id in (s.workflow_id, 0) and p.stage = '') then 'held'
            else 'active' end as state,
       case when s.paused_at is null then s.next_tick end as next_tick, s.last_tick, s.last_run, s.last_outcome,
       (select count(*) from piton.schedule_runs r join piton.runs u on u.id = r.run_id
        where r.workflow_id = s.workflow_id and r.schedule = s.name and r.is_open and u.state = 'running') as running,
       s.refused + piton.failed_in_a_row(s.workflow_id, s.name, s.failures_since, case when s.definition ->> 'pause_after_failures' ~ '^[0-9]{1,4}$' then (s.definition ->> 'pause_after_failures')::integer else 1000 end) as failures,
       s.queued_tick, s.last_error, s.last_error_at, s.paused_at, s.paused_by, s.pause_reason, s.paused_because,
       case when s.from_file then 'file' else 'sql' end as source, s.changed_at, s.changed_by,
       case when s.paused_at is null and s.next_tick <= now() and s.look_at <= now() and s.queued_tick is null
            then extract(epoch from now() - s.look_at)::float8 else 0 end as overdue_seconds,
       s.definition
from piton.schedules s
join piton.workflows w on w.id = s.workflow_id;
comment on view piton.schedules_overview is 'When workflows start by themselves: select * from piton.schedules_overview order by next_tick. Decide with piton.pause_schedule, piton.resume_schedule and piton.trigger_schedule.';
comment on column piton.schedules_overview.workflow is 'Name of the workflow.';
comment on column piton.schedules_overview.schedule is 'Name of the schedule.';
comment on column piton.schedules_overview.at is 'When it ticks: its cron text and zone, or how often.';
comment on column piton.schedules_overview.state is 'active, paused, or held: its workflow is paused, or everything is.';
comment on column piton.schedules_overview.next_tick is 'Its next tick; nothing before a worker has computed it.';
comment on column piton.schedules_overview.last_tick is 'The last tick that started a run.';
comment on column piton.schedules_overview.last_run is 'The run of that tick.';
comment on column piton.schedules_overview.last_outcome is 'What became of the last tick: started, queued, skipped, missed, refused or known (it had a run).';
comment on column piton.schedules_overview.running is 'How many of its runs work.';
comment on column piton.schedules_overview.failures is 'How many of its last runs have failed, are blocked or could not start, one after another.';
comment on column piton.schedules_overview.queued_tick is 'The tick whose run starts when the current one has ended.';
comment on column piton.schedules_overview.last_error is 'Why the last run that could not start did not.';
comment on column piton.schedules_overview.last_error_at is 'When that was.';
comment on column piton.schedules_overview.paused_at is 'Since when it is paused.';
comment on column piton.schedules_overview.paused_by is 'Who paused it; piton for the engine.';
comment on column piton.schedules_overview.pause_reason is 'Why it is paused.';
comment on column piton.schedules_overview.paused_because is 'person, file (the current version does not have it), failures, or definition (it cannot be read).';
comment on column piton.schedules_overview.source is 'file, or sql for one that was set with piton.set_schedule.';
comment on column piton.schedules_overview.changed_at is 'When it last changed.';
comment on column piton.schedules_overview.changed_by is 'Who deployed or set that.';
comment on column piton.schedules_overview.overdue_seconds is 'Seconds since the tick that should have started a run; 0 where none is overdue.';
comment on column piton.schedules_overview.definition is 'Its keys, as in the file.';
