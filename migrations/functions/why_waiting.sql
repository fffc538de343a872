-- One row for each thing that a run waits for, each for exactly one reason, in words. Asked for one run it costs what that run
-- has; the first rows of all come at once, for nothing is sorted.
create or replace view piton.why_waiting as
select r.uuid as run, w.name as workflow, s.name as stage, nullif(j.item, -1) as item, h.reason,
       case when j.state in ('ready', 'limited', 'suspect') then 'ready for ' || waited.words || ', ' || h.why
            when h.state = 'running' then
                'running on ' || coalesce(k.parent || ', alone in a process of its own,', k.worker, '?') || ' for ' || waited.words
                || case when k.state = 'stopping' then ', which is stopping' else '' end
                || coalesce(', ' || j.progress_done || ' of ' || j.progress_of, '') || coalesce(': ' || nullif(j.progress_note, ''), '')
                || coalesce('; piton.finish committed its result ' || piton.span_words(now() - f.finished_at) || ' ago, and '
                            || case when f.attempt < j.attempt then 'this attempt takes it over' else 'its program still runs' end, '')
            when h.state = 'silent' then concat_ws('; ',
                'running on ' || coalesce(k.parent, k.worker) || ', which has been silent for ' || piton.span_words(now() - k.last_seen), h.also)
            when h.state = 'recovery' then concat_ws('; ', 'running on ' || coalesce(k.parent, k.worker) || ', which is gone', h.also)
            when h.state = 'due' then concat_ws(', ', 'due since ' || piton.clock(j.due_at), case when h.reason <> 'due' then h.why end)
            when h.state = 'later' then concat_ws('; ', 'starts at ' || piton.clock(j.due_at), h.also)
            when h.state = 'waiting' then concat_ws('; ', coalesce(o.why, h.why), h.also)
            else concat_ws('; ',
                'due at ' || piton.clock(j.due_at) || ', attempt ' || j.attempt || ' failed' || coalesce(': ' || a.class || ': ' || left(a.message, 200), ''),
                h.also) end as why,
       coalesce(o.moves, h.moves) as moves, j.since, j.attempt
from piton.jobs j
join piton.runs r on r.id = j.run_id
join piton.workflows w on w.id = j.workflow_id
join piton.stage_names s on s.version_id = j.version_id and s.stage = j.stage
left join piton.workers_overview k on k.worker_id = j.worker_id
cross join lateral (
    select case j.state
        when 'running' then case when k.state = 'silent' then 'silent' when k.state in ('lost', 'stopped') then 'recovery' else 'running' end
        when 'scheduled' then case when j.due_at <= now() then 'due' when j.attempt = 0 then 'later' else 'retry' end
        else j.state end as state
) as n
-- Looked up, and never worked out for all stages there are.
cross join lateral (
    select * from piton.holds h where h.version_id = j.version_id and h.stage = j.stage and h.state = n.state offset 0
) as h
cross join lateral (select piton.span_words(now() - piton.finite(j.since)) as words) as waited
left join piton.finishes f on j.state = 'running' and f.run_id = j.run_id and f.stage = j.stage and f.item = j.item and f.output is not null
left join piton.waits_overview o on j.state = 'waiting' and o.run_id = j.run_id and o.stage_number = j.stage and o.item_number = j.item
left join piton.attempts a on j.state = 'scheduled' and a.run_id = j.run_id and a.stage = j.stage and a.item = j.item and a.attempt = j.attempt
union all
-- Stages that wait for others.
select o.run, o.workflow, o.stage, null, 'stages', o.why, 'their ends', null, null
from piton.stages_waiting o
union all
-- What somebody has to decide about.
select d.run, d.workflow, d.stage, d.item, 'decision', 'given up: ' || d.class || ': ' || left(d.message, 200),
       'piton dead-letter retry ' || d.id || ', or piton dead-letter dismiss ' || d.id || ' --reason "…"', d.dead_at, d.attempts
from piton.dead_letters_overview d
where d.resolution = 'pending';
comment on view piton.why_waiting is 'Why each job waits, and what would let it go on: a row for every live job, for every stage that waits for others, and for every dead letter that waits for a decision.';
comment on column piton.why_waiting.run is 'Id of the run.';
comment on column piton.why_waiting.workflow is 'Name of the workflow.';
comment on column piton.why_waiting.stage is 'Name of the stage.';
comment on column piton.why_waiting.item is 'Item of a fanned-out stage; empty for a whole stage.';
comment on column piton.why_waiting.reason is 'In a word: running, silent (its worker has not been heard of for longer than its lease), recovery (its worker is gone), retry (a failed attempt waits for its due time), later (a start that was put off), waiting (for something outside: a time, a signal, a service, another run), due (this very second), paused, no_worker, no_handler, limit, suspect, slot; stages (others have to be done first); decision (a dead letter). Of several the one that somebody must act on first.';
comment on column piton.why_waiting.why is 'The reason in words, and what else keeps it waiting.';
comment on column piton.why_waiting.moves is 'What would move it: what to type, where that is up to people.';
comment on column piton.why_waiting.since is 'Since when; empty for stages that wait for others.';
comment on column piton.why_waiting.attempt is 'Attempts begun so far; empty for stages that wait for others.';
