-- What jobs of a stage wait for, for each state they can be in, and what would move them: the only place that decides it, and the only
-- one that says it in words. Looked for by stage and not by job, for there are few stages.
--
-- Of several reasons the first is the one that somebody must act on first; the others are mentioned behind it.
create or replace view piton.holds as
select s.version_id, s.stage, state.name as state, h.reason,
       case h.reason
           when 'running' then 'running'
           when 'silent' then concat_ws('; ', 'running on a worker that is silent', a.also)
           when 'recovery' then concat_ws('; ', 'running on a worker that is gone', a.also)
           when 'retry' then concat_ws('; ', 'waiting for a retry', a.also)
           when 'later' then concat_ws('; ', 'starting later', a.also)
           when 'waiting' then concat_ws('; ', 'waiting for something outside', a.also)
           when 'due' then 'due'
           when 'limit' then 'waiting for the stage''s limit: ' || r.reached
                || case when state.name = 'suspect' then '; also a process died under it, so it runs alone' else '' end
           when 'suspect' then 'waiting to run alone on ' || piton.some_of(w.able) || ': a process died under it'
           when 'slot' then 'waiting for a free slot of ' || piton.some_of(w.able)
           else 'waiting: ' || concat_ws('; also ', c.words,
                case when state.name <> 'due' then 'the stage''s limit is reached: ' || r.reached end,
                case when state.name = 'suspect' then 'a process died under it, so it runs alone' end) end as why,
       case h.reason
           when 'running' then 'the end of the attempt, or its time limit'
           when 'retry' then concat_ws(', then ', 'the due time', c.moves)
           when 'later' then concat_ws(', then ', 'the due time', c.moves)
           when 'waiting' then 'the end of the wait'
           when 'limit' then case when m.reached is null then 'the end of one of those that run, or another worker'
                                  when m.concurrency <= m.running then 'the end of one of those that run'
                                  else 'the time that the rate allows' end
           when 'suspect' then 'a slot for a process of its own'
           when 'slot' then 'a free slot: more workers, or more slots for each'
           when 'due' then 'the next look of a worker, about a second'
           when 'silent' then case when w.alive = 0 then 'piton worker' else 'the next look of a worker, about a second' end
           when 'recovery' then case when w.alive = 0 then 'piton worker' else 'the next look of a worker, about a second' end
           else c.moves end as moves,
       a.also
from piton.stage_names s
cross join (values ('ready'), ('suspect'), ('limited'), ('due'), ('retry'), ('later'), ('waiting'), ('running'), ('silent'), ('recovery')) as state (name)
left join piton.limited_stages y on y.version_id = s.version_id and y.stage = s.stage
left join piton.limits_overview m on m.limit_id = y.limit_id
cross join lateral (
    select count(*) filter (where k.state = 'alive') as alive,
           count(*) filter (where k.state = 'stopping') as stopping,
           array_agg(k.worker order by k.worker) filter (where k.state = 'alive' and k.serves and not k.lacks) as able,
           array_agg(k.worker order by k.worker) filter (where k.state = 'alive' and k.serves and k.lacks and k.short is null) as lacking,
           array_agg(k.worker || ' lacks ' || k.short order by k.worker) filter (where k.state = 'alive' and k.serves and k.lacks and k.short is not null) as short,
           array_agg(k.worker order by k.worker) filter (where k.state = 'alive' and not k.serves) as elsewhere,
           array_agg(k.worker || case k.state when 'stopping' then ' is stopping'
                                     else ' has been silent for ' || piton.span_words(now() - k.last_seen) end
                     order by k.worker) filter (where k.state <> 'alive') as leaving,
           array_agg(k.worker || ', which has it, ' || case k.state when 'stopping' then 'is stopping'
                                     else 'has been silent for ' || piton.span_words(now() - k.last_seen) end
                     order by k.worker) filter (where k.state <> 'alive' and k.serves and not k.lacks) as missed
    from (
        select o.worker, o.state, o.last_seen, coalesce(s.workflow_id = any(l.serves), false) as serves,
               exists (select from unnest(l.lacks_versions, l.lacks_stages) as u (version_id, stage)
                       where u.version_id = s.version_id and u.stage = s.stage) as lacks,
               -- It says itself what no file names.
               jsonb_path_query_first(l.shortages, '$[*] ? (@.version == $version && @.stage == $stage).lacks',
                                      jsonb_build_object('version', s.version_id, 'stage', s.stage)) #>> '{}' as short
        from piton.workers l
        join piton.workers_overview o on o.worker_id = l.id
        -- A runner takes only what its worker has it started for.
        where l.stopped_at is null and l.parent is null
    ) as k
) as w
left join lateral (
    select string_agg(case when p.workflow_id = 0 then 'everything' when p.stage = '' then 'the workflow' else 'the stage' end
                      || ' is paused by ' || p.paused_by || ': "' || p.reason || '"', '; also ' order by p.workflow_id <> 0 desc, p.stage desc) as words,
           string_agg('piton resume ' || case when p.workflow_id = 0 then '--everything' when p.stage = '' then k.name
                                              else k.name || ' --stage ' || p.stage end, ', then ' order by p.workflow_id <> 0 desc, p.stage desc) as moves
    from piton.pauses p
    join piton.workflows k on k.id = s.workflow_id
    where p.workflow_id in (s.workflow_id, 0) and p.stage in ('', s.name)
) as p on true
-- A limit on each worker is reached where all that could run the stage are busy with as many.
cross join lateral (
    select coalesce(m.reached, case when w.able <@ m.busy_workers
                                    then m.per_worker || ' on each worker, and as many run on ' || piton.some_of(w.able) end) as reached
) as r
-- What a worker has to have, where none has it: in words, and beside the file of the workflow, where it serves other ones.
left join lateral (
    select concat_ws(' or ', case when kind -> 'rust' is not null then handler
                                  when kind -> 'command' is not null then program || case when has_variables then ' or a variable that it is given' else '' end
                                  when has_variables or required is null then 'a variable that its request is made of' end,
                     'what it requires (' || required || ')') as words,
           case when kind -> 'rust' is not null then ' and ' || handler
                when kind -> 'command' is not null then case when has_variables then ', ' || program || ' and the variables that it is given'
                                                             else ' and ' || program end
                when has_variables then ' and the variables that its request is made of'
                else '' end || coalesce(' and what it requires (' || required || ')', '') as besides
    from (select d.stage -> 'kind' as kind, w.required
          from piton.workflow_versions v
          cross join lateral (select v.definition -> 'stages' -> s.stage::int4 as stage) as d
          cross join lateral (select string_agg(r.name, ', ' order by r.place) as required
                              from json_array_elements_text(d.stage -> 'requires') with ordinality as r (name, place)) as w
          where v.id = s.version_id) as d
    cross join lateral (
        select 'the handler "' || (kind -> 'rust' ->> 'handler') || '"' as handler,
               'the program "' || (kind -> 'command' -> 'argv' ->> 0) || '"' as program, kind::text like '%${%' as has_variables
    ) as w
) as needed on w.alive > 0 and w.able is null
cross join lateral (
    select case when w.able is not null then null
                when w.alive = 0 and w.leaving is null then 'no worker is alive'
                when w.alive = 0 then 'no worker ' || case when w.stopping > 0 then 'takes jobs' else 'is alive' end
                                      || ': ' || piton.some_of(w.leaving)
                else 'no live worker has what it needs: '
                     || case when w.lacking is not null then piton.some_of(w.lacking) || case when cardinality(w.lacking) = 1 then ' lacks ' else ' lack ' end || needed.words
                                                             || coalesce('; ' || piton.some_of(w.short), '')
                             when w.short is not null then piton.some_of(w.short)
                             else case when cardinality(w.elsewhere) > 1 then piton.some_of(w.elsewhere) || ' serve' else coalesce(w.elsewhere[1], 'the one there is') || ' serves' end
                                  || ' other workflows, and would need the file of this one' || needed.besides end
                     || coalesce('; ' || piton.some_of(w.missed), '') end as words,
           case when w.able is not null then null
                when w.alive = 0 then 'piton worker'
                when w.lacking is not null then 'piton worker, where there is ' || needed.words
                when w.short is not null then 'what the log of that worker says, or another worker'
                else 'piton worker --workflows FOLDER, with the file of its workflow' || needed.besides end as moves
) as lack
cross join lateral (
    select nullif(concat_ws('; also ', p.words, lack.words), '') as words,
           nullif(concat_ws(', then ', p.moves, lack.moves), '') as moves
) as c
cross join lateral (
    select case when state.name in ('running', 'silent', 'recovery', 'retry', 'later', 'waiting') then state.name
                when p.words is not null then 'paused'
                when w.alive = 0 then 'no_worker'
                when w.able is null then 'no_handler'
                when state.name = 'due' then 'due'
                when r.reached is not null then 'limit'
                when state.name = 'suspect' then 'suspect'
                else 'slot' end as reason
) as h
cross join lateral (
    select case when h.reason in ('silent', 'recovery') and w.alive = 0 then 'nobody is left to take over: start a worker'
                when h.reason in ('retry', 'later', 'waiting') then 'also ' || c.words end as also
) as a;
comment on view piton.holds is 'What jobs of a stage wait for, for each state they can be in, and what would let them go on.';
comment on column piton.holds.version_id is 'The workflow version.';
comment on column piton.holds.stage is 'Position of the stage in its definition.';
comment on column piton.holds.state is 'Of a job that is ready, limited, or a suspect; that runs, or whose worker is silent or gone (recovery); or that is due, or waits for a retry or for the time that it was put off to (later), or for something outside (waiting).';
comment on column piton.holds.reason is 'In a word, as in piton.why_waiting.';
comment on column piton.holds.why is 'In words.';
comment on column piton.holds.moves is 'What would move it.';
comment on column piton.holds.also is 'The end of why, where more than one thing is to be said of a job that does not wait to be claimed.';
