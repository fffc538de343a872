-- The open waits, in words: the only place that says what a wait is for, and what would end it. Oldest first by `order by since`.
create or replace view piton.waits_overview as
select r.uuid as run, k.name as workflow, s.name as stage, nullif(w.item, -1) as item, w.kind, w.name, w.since, coalesce(w.latest, w.deadline) as ends_at,
       case w.kind
           when 'sleep' then 'sleeping'
           when 'signal' then 'waiting for the signal "' || w.name || '"'
           when 'callback' then 'waiting for a service to call back' || handle.words
           when 'poll' then 'asking a service until it is done' || handle.words
           else 'waiting for run ' || coalesce(c.uuid::text, '(gone)') || ' of ' || w.name
                || case c.state when 'blocked' then ', which is blocked: a dead letter of it is pending' else '' end end
           || coalesce(' until ' || piton.clock(coalesce(w.latest, w.deadline)), '')
           || case when w.silence_ms is not null and w.heard_at is null then '; it has to say something by ' || piton.clock(w.deadline)
                   else coalesce('; last heard of at ' || piton.clock(w.heard_at), '') end
           || coalesce(': ' || left(w.progress #>> '{}', 200), '')
           || case when w.kind = 'poll' then coalesce('; asked ' || nullif(w.polls, 0) || ' times', '') || ', the next time at ' || piton.clock(w.deadline)
                   else '' end
           || coalesce('; ' || nullif(w.misses, 0) || ' without an answer: ' || left(w.trouble, 200), '') as why,
       case w.kind
           when 'sleep' then 'its end, or piton wake ' || r.uuid || ' ' || s.name || coalesce(' --item ' || nullif(w.item, -1), '')
           when 'signal' then 'piton signal ' || r.uuid || ' ' || w.name || ' --set …'
           when 'run' then case c.state when 'blocked' then 'piton dead-letter list --run ' || c.uuid else 'its end: piton why ' || c.uuid end
           when 'callback' then 'the answer, or piton complete --run ' || r.uuid || ' --stage ' || s.name
               || coalesce(' --item ' || nullif(w.item, -1), '') || ' --set …'
           else 'its answer, or the timeout' end as moves,
       w.run_id, w.stage as stage_number, w.item as item_number, c.uuid as child
from piton.waits w
join piton.runs r on r.id = w.run_id
join piton.stage_names s on s.version_id = r.version_id and s.stage = w.stage
join piton.workflows k on k.id = s.workflow_id
left join piton.runs c on c.id = w.child_id
cross join lateral (select coalesce(' (' || left(w.handle #>> '{}', 60) || ')', '') as words) as handle
where w.outcome is null;
comment on view piton.waits_overview is 'Who waits for what, and until when: every wait that is open. The oldest: order by since limit 20.';
comment on column piton.waits_overview.run is 'Id of the run.';
comment on column piton.waits_overview.workflow is 'Name of the workflow.';
comment on column piton.waits_overview.stage is 'Name of the stage.';
comment on column piton.waits_overview.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.waits_overview.kind is 'As in piton.waits.';
comment on column piton.waits_overview.name is 'Name of the signal; of a run, its workflow.';
comment on column piton.waits_overview.since is 'When it began.';
comment on column piton.waits_overview.ends_at is 'When it ends by itself: the end of a sleep, or the timeout.';
comment on column piton.waits_overview.why is 'What it waits for, in words.';
comment on column piton.waits_overview.moves is 'What would end it: what to type, where that is up to people.';
comment on column piton.waits_overview.run_id is 'Number of the run.';
comment on column piton.waits_overview.stage_number is 'Position of the stage in the definition.';
comment on column piton.waits_overview.item_number is 'Item, as the engine has it: -1 for a whole stage.';
comment on column piton.waits_overview.child is 'The run that is waited for.';
