-- What changed, from the tables that say so: piton.audit has what people decided, and the rest keeps its own record. Alike decisions
-- of one minute are one line, so that a retry of thousands is one.
create or replace function piton.changes(since timestamptz default now() - interval '1 day', only_workflow text default null)
returns table (
    at timestamptz, kind text, workflow text, subject text, times bigint, what text, who text, face text, why text
)
language sql stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with audited as (
        select a.id, a.at, a.actor, a.face, a.verb, a.subject_kind, a.subject, a.detail,
               case a.subject_kind when 'workflow' then a.subject
                                   when 'queue' then nullif(a.subject, 'everything')
                                   when 'retention' then a.detail ->> 'workflow'
                                   when 'schedule' then a.detail ->> 'workflow'
                                   when 'dead_letter' then w.name
                                   when 'run' then (select k.name from piton.runs r
                                                    join piton.workflow_versions v on v.id = r.version_id
                                                    join piton.workflows k on k.id = v.workflow_id
                                                    where r.uuid = case when a.subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then a.subject::uuid end)
                                   when 'batch' then (select k.name from piton.batches b
                                                      join piton.workflows k on k.id = b.workflow_id
                                                      where b.uuid = case when a.subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then a.subject::uuid end)
               end as workflow,
               coalesce(a.detail ->> 'reason', a.detail ->> 'note') as why,
               -- What is done to many at once is told once; everything else stands for itself.
               case when a.subject_kind not in ('dead_letter', 'run') then a.id end as alone
        from piton.audit a
        left join piton.dead_letters d on d.id = case when a.subject_kind = 'dead_letter' and a.subject ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then a.subject::uuid end
        left join piton.workflows w on w.id = d.workflow_id
        -- A cleanup has a row of its own, and what it forgets was not in use.
        where a.at >= changes.since and a.verb not in ('clean_up', 'forget')
    ),
    decided as (
        select min(a.at) as at, a.verb, a.subject_kind, a.workflow, min(a.subject) as subject, count(*) as times, a.actor, a.face,
               a.why, (array_agg(a.detail order by a.id))[1] as detail
        from audited a
        group by date_trunc('minute', a.at), a.verb, a.subject_kind, a.workflow, a.actor, a.face, a.why, a.alone,
                 a.detail ->> 'stage', a.detail ->> 'from_stage'
    ),
    boots as (
        select coalesce(w.build, 'unknown') as build, w.name, w.host, w.started_at, w.stop_reason,
               case when w.stopped_at is not null then w.stopped_at
                    when w.last_seen < now() - coalesce(w.lease, interval '15 seconds') then w.last_seen end as ended_at
        from piton.workers w
        where w.parent is null
    ),
    -- A build that is away for less than ten minutes was only restarted.
    spells as (
        select b.*, count(*) filter (where b.is_new) over (partition by b.build order by b.started_at, b.name) as spell
        from (
            select b.*, b.started_at > interval '10 minutes' + max(coalesce(b.ended_at, 'infinity')) over (
                       partition by b.build order by b.started_at, b.name rows between unbounded preceding and 1 preceding)
                   is not false as is_new
            from boots b
        ) as b
    ),
    builds as (
        select s.build, count(distinct s.name) as workers, min(s.started_at) as came_at,
               case when bool_and(s.ended_at is not null) then max(s.ended_at) end as went_at,
               (array_agg(s.name || ' on ' || s.host order by s.started_at))[1] as first,
               (array_agg(s.name || case s.stop_reason when 'drained' then ', shut down' when 'superseded' then ', was replaced'
                                                       when 'lost' then ', was lost' else ', is silent' end
                          order by s.ended_at desc))[1] as last
        from spells s
        group by s.build, s.spell
    ),
    causes as (
        select w.name as workflow, f.fingerprint, f.first_at, f.letters, f.first, f.version_id, f.stage
        from piton.workflows w
        cross join lateral (
            select d.fingerprint, min(d.dead_at) as first_at, count(*) as letters,
                   (array_agg(d.class || ': ' || left(d.message, 200) order by d.dead_at))[1] as first,
                   (array_agg(d.version_id order by d.dead_at))[1] as version_id,
                   (array_agg(d.stage order by d.dead_at))[1] as stage
            from piton.dead_letters d
            where d.workflow_id = w.id and d.dead_at >= changes.since
            group by d.fingerprint
        ) as f
        where not exists (
            select from piton.dead_letters b
            where b.workflow_id = w.id and b.fingerprint = f.fingerprint and b.dead_at < changes.since
        )
    ),
    cleaned as (
        select c.id, c.planned_by, coalesce(c.ended_at, c.began_at) as at, c.state, i.deleted, i.errors,
               (select string_agg(k.deleted || ' ' || k.what, ', ' order by k.what) from (
                    select i.what, count(*) as deleted from piton.cleanup_items i
                    where i.cleanup_id = c.id and i.deleted_at is not null
                      and (only_workflow is null or i.workflow = only_workflow)
                    group by i.what) as k) as said
        from piton.cleanups c
        cross join lateral (
            select count(i.deleted_at) as deleted, count(i.error) as errors from piton.cleanup_items i
            where i.cleanup_id = c.id and (only_workflow is null or i.workflow = only_workflow)
        ) as i
        where c.began_at >= changes.since or c.ended_at >= changes.since
    ),
    told as (
        select d.at,
               case when d.subject_kind = 'workflow' then 'version' when d.verb in ('pause', 'resume', 'pause_schedule', 'resume_schedule') then 'pause'
                    when d.verb = 'cancel' then 'cancel' when d.verb in ('keep', 'hold', 'release') then 'cleanup'
                    else 'decision' end as kind,
               d.workflow, d.subject, d.times,
               case d.verb
                    when 'deploy' then 'version ' || left(d.detail ->> 'to', 12) || ' was deployed, and replaced '
                                       || left(d.detail ->> 'from', 12)
                    when 'rollback' then 'rolled back to version ' || left(d.detail ->> 'to', 12) || ', from '
                                         || left(d.detail ->> 'from', 12)
                    when 'pause' then coalesce('stage ' || (d.detail ->> 'stage'), d.workflow, 'everything') || ' was paused'
                    when 'resume' then coalesce('stage ' || (d.detail ->> 'stage'), d.workflow, 'everything') || ' was resumed'
                    when 'pause_schedule' then 'schedule ' || d.subject || ' was paused'
                    when 'resume_schedule' then 'schedule ' || d.subject || ' was resumed'
                    when 'trigger_schedule' then 'schedule ' || d.subject || ' was triggered: run ' || (d.detail ->> 'run')
                    when 'set_schedule' then 'schedule ' || d.subject || ' was set'
                    when 'drop_schedule' then 'schedule ' || d.subject || ' was dropped'
                    when 'signal' then 'signal ' || (d.detail ->> 'signal') || ' was given to '
                                       || d.times || case d.times when 1 then ' run' else ' runs' end
                    when 'wake' then 'stage ' || (d.detail ->> 'stage') || ' of '
                                     || d.times || case d.times when 1 then ' run' else ' runs' end || ' was woken'
                    when 'retry' then d.times || case d.times when 1 then ' dead letter was' else ' dead letters were' end
                                      || ' retried' || coalesce(' from stage ' || (d.detail ->> 'from_stage'),
                                      case when d.detail ? 'from_beginning' then ' from the beginning' else '' end)
                    when 'dismiss' then d.times || case d.times when 1 then ' dead letter was' else ' dead letters were' end
                                        || ' dismissed'
                    when 'force' then d.times || case d.times when 1 then ' job' else ' jobs' end || ' of stage '
                                      || (d.detail ->> 'stage')
                                      || case d.times when 1 then ' was' else ' were' end || ' given up by hand'
                    when 'redo' then d.times || case d.times when 1 then ' run was' else ' runs were' end || ' started again from '
                                     || coalesce('stage ' || (d.detail ->> 'stage'), 'the beginning')
                    when 'correct_input' then 'the input of ' || d.times || case d.times when 1 then ' run' else ' runs' end
                                              || ' was corrected'
                    when 'cancel' then case when d.subject_kind = 'batch' then 'batch ' || (d.detail ->> 'name') || ' was cancelled'
                                            else d.times || case d.times when 1 then ' run was' else ' runs were' end
                                                 || ' cancelled' end
                    when 'recover' then 'the jobs of worker ' || (d.detail ->> 'worker') || ' were freed by hand: '
                                        || (d.detail ->> 'sign')
                    when 'keep' then d.subject || ' is kept '
                                     || coalesce('for ' || case when d.detail ->> 'keep' ~ '^[0-9]+ days?$' then piton.span_words((d.detail ->> 'keep')::interval) else d.detail ->> 'keep' end, 'for ever')
                    when 'hold' then d.times || case d.times when 1 then ' run was' else ' runs were' end || ' held back from cleanup'
                    when 'release' then d.times || case d.times when 1 then ' run is' else ' runs are' end
                                        || ' no longer held back from cleanup'
                    else d.verb || ' ' || replace(d.subject_kind, '_', ' ') || ' ' || d.subject
               end as what,
               d.actor as who, d.face, d.why
        from decided d
        union all
        select d.at, 'limit', d.workflow, l.changed ->> 'stage', 1,
               'the limit of stage ' || (l.changed ->> 'stage') || ' changed from '
               || piton.limit_words(coalesce(nullif(l.changed -> 'from', 'null'), '{}')) || ' to '
               || piton.limit_words(coalesce(nullif(l.changed -> 'to', 'null'), '{}')),
               d.actor, d.face, d.why
        from decided d
        cross join lateral jsonb_array_elements(case jsonb_typeof(d.detail -> 'limits') when 'array' then d.detail -> 'limits' end) as l (changed)
        union all
        select coalesce(v.deployed_at, v.registered_at), 'version', w.name, w.name, 1,
               'version ' || left(encode(v.digest, 'hex'), 12)
               || case when v.deployed_at is null then ' was registered, but not deployed' else ', the first one, was deployed' end,
               v.deployed_by, null, null
        from piton.workflow_versions v
        join piton.workflows w on w.id = v.workflow_id
        where coalesce(v.deployed_at, v.registered_at) >= changes.since and v.replaced_version_id is null
          and not exists (select from piton.audit a
                          where a.subject_kind = 'workflow' and a.subject = w.name and a.verb = 'deploy'
                            and a.at between v.registered_at and coalesce(v.deployed_at, v.registered_at) + interval '1 minute'
                            and a.detail ->> 'to' = encode(v.digest, 'hex'))
        union all
        select max(m.installed_on), 'schema', null, max(m.version)::text, count(*),
               case when min(m.version) = max(m.version) then 'the schema was migrated to version ' || max(m.version)
                    else 'the schema was migrated to version ' || max(m.version) || ' (migrations ' || min(m.version) || ' to '
                         || max(m.version) || ')' end,
               null, null, null
        from piton.migrations m
        where m.installed_on >= changes.since
        group by date_trunc('minute', m.installed_on)
        union all
        select b.came_at, 'build', null, b.build, b.workers, 'a build came, ' || b.build || ': its first worker is ' || b.first,
               null, null, null
        from builds b
        where b.came_at >= changes.since
        union all
        select b.went_at, 'build', null, b.build, b.workers, 'a build went, ' || b.build || ': its last worker, ' || b.last,
               null, null, null
        from builds b
        where b.went_at >= changes.since
        union all
        select c.first_at, 'cause', c.workflow, c.fingerprint, c.letters,
               'new cause ' || c.fingerprint || ' in stage '
               || coalesce((select s.name from piton.stages_of(c.version_id) s where s.stage = c.stage), '#' || c.stage)
               || ', ' || c.letters || case c.letters when 1 then ' dead letter: ' else ' dead letters: ' end || c.first,
               null, null, null
        from causes c
        union all
        select c.at, 'cleanup', null, c.id::text, c.deleted,
               'cleanup deleted ' || coalesce(c.said, 'nothing')
               || case when c.errors > 0 then ', and failed for ' || c.errors else '' end
               || case c.state when 'running' then ' so far' else '' end,
               c.planned_by, null, null
        from cleaned c
        where c.deleted > 0 or c.errors > 0
        union all
        select min(c.cancelled_at), 'cancel', w.name, min(r.uuid::text), count(*),
               count(*) || case count(*) when 1 then ' run was' else ' runs were' end || ' cancelled: the deadline had passed',
               min(c.cancelled_by), null, null
        from piton.cancellations c
        join piton.runs r on r.id = c.run_id
        join piton.workflow_versions v on v.id = r.version_id
        join piton.workflows w on w.id = v.workflow_id
        where c.cancelled_at >= changes.since and c.deadline is not null
        group by date_trunc('minute', c.cancelled_at), w.name
        union all
        select b.created_at, 'batch', w.name, b.name, 1, 'batch ' || b.name || ' of ' || b.items || ' runs was opened', b.created_by,
               null, null
        from piton.batches b
        join piton.workflows w on w.id = b.workflow_id
        where b.created_at >= changes.since
    )
    -- What nobody's verb has recorded may lack what a sentence is made of.
    select t.at, t.kind, t.workflow, t.subject, t.times, coalesce(t.what, concat_ws(' ', t.kind, t.subject)), t.who, t.face, t.why
    from told t
    -- What concerns every workflow concerns that one.
    where only_workflow is null or t.workflow is null or t.workflow = only_workflow
    order by t.at, t.kind <> 'version', t.what
$$;
comment on function piton.changes(timestamptz, text) is 'What changed since a time, the oldest first: versions deployed and rolled back, limits, pauses, migrations, builds of workers that came and went, causes of failure that were never seen before, decisions, cancelled runs, batches and cleanups, each with who and why. Of one workflow, or of all: select * from piton.changes(''yesterday'').';
