-- The same as why_waiting for everything that is live, counted.
create or replace view piton.waiting_overview as
select w.name as workflow, s.name as stage, t.reason, sum(t.jobs)::int8 as jobs, min(t.since) as oldest_since,
       t.why, t.moves
from piton.live_waits() t
join piton.stage_names s on s.version_id = t.version_id and s.stage = t.stage
join piton.workflows w on w.id = s.workflow_id
-- Versions may wait for other things.
group by 1, 2, 3, t.why, t.moves
union all
select d.workflow, d.stage, 'decision', count(*), min(d.dead_at), 'given up: ' || string_agg(distinct d.class, ', '),
       'piton dead-letter list --workflow ' || d.workflow
from piton.dead_letters_overview d
where d.resolution = 'pending'
group by 1, 2;
comment on view piton.waiting_overview is 'What waits and why: live jobs and dead letters, counted by workflow, stage and reason. piton.why_waiting has a row for each.';
comment on column piton.waiting_overview.workflow is 'Name of the workflow.';
comment on column piton.waiting_overview.stage is 'Name of the stage.';
comment on column piton.waiting_overview.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.waiting_overview.jobs is 'How many jobs, or dead letters.';
comment on column piton.waiting_overview.oldest_since is 'Since when the first of them.';
comment on column piton.waiting_overview.why is 'The reason in words, to be read after the number of jobs, and what else keeps them waiting.';
comment on column piton.waiting_overview.moves is 'What would move them: what to type, where that is up to people.';
