-- What keeps a job of a stage from being claimed when it is ready: a pause, the limit of its stage, the lack of a worker, or of
-- a free slot. Looked for by stage and not by job, for there are few stages.
create or replace view piton.holds as
select s.version_id, s.stage, state.name as state, h.reason,
       case h.reason
           when 'paused' then p.what || ' is paused by ' || p.paused_by || ': "' || p.reason || '"'
           when 'no_worker' then 'no worker is alive'
           when 'no_handler' then 'no live worker has what it needs (its file, a handler, a program or a variable)'
           when 'limit' then 'the limit of its stage is reached: ' || m.reached
           when 'suspect' then 'a process died under it, so it waits to run alone on ' || w.able
           else 'waits for a free slot of ' || w.able end as why,
       case h.reason
           when 'paused' then 'piton resume ' || p.resume
           when 'no_worker' then 'piton worker'
           when 'no_handler' then 'a worker that has it'
           when 'limit' then case when m.concurrency <= m.running then 'the end of one of them' else 'that time' end
           when 'suspect' then 'a slot for a process of its own'
           else 'a free slot: more workers, or more slots for each' end as moves
from piton.stage_names s
cross join (values ('ready'), ('suspect'), ('limited')) as state (name)
cross join lateral (
    select count(*) as alive,
           string_agg(l.name, ', ' order by l.name) filter (where s.workflow_id = any(l.serves) and not exists (
               select from unnest(l.lacks_versions, l.lacks_stages) as u (version_id, stage)
               where u.version_id = s.version_id and u.stage = s.stage)) as able
    from piton.workers l
    where l.stopped_at is null
) as w
left join lateral (
    select case when p.workflow_id = 0 then 'everything' when p.stage = '' then 'the workflow' else 'the stage' end as what,
           case when p.workflow_id = 0 then '--everything' when p.stage = '' then k.name
                else k.name || ' --stage ' || p.stage end as resume,
           p.paused_by, p.reason
    from piton.pauses p
    join piton.workflows k on k.id = s.workflow_id
    where p.workflow_id in (s.workflow_id, 0) and p.stage in ('', s.name)
    order by p.workflow_id desc, p.stage desc
    limit 1
) as p on true
left join piton.limited_stages y on y.version_id = s.version_id and y.stage = s.stage
left join piton.limits_overview m on m.limit_id = y.limit_id
cross join lateral (
    select case when p.what is not null then 'paused'
                when w.alive = 0 then 'no_worker'
                when w.able is null then 'no_handler'
                when m.reached is not null and state.name <> 'ready' then 'limit'
                when state.name = 'suspect' then 'suspect'
                else 'slot' end as reason
) as h;
comment on view piton.holds is 'Why a job of a stage is not claimed though it is ready, waits for a limit, or waits to run alone, and what would move it.';
comment on column piton.holds.version_id is 'The workflow version.';
comment on column piton.holds.stage is 'Position of the stage in its definition.';
comment on column piton.holds.state is 'Of a job that is ready, limited, or a suspect.';
comment on column piton.holds.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.holds.why is 'In words.';
comment on column piton.holds.moves is 'What would move it.';
