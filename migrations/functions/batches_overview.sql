-- Each from its runs: costs as many look-ups as the batches that are asked for have items.
create or replace view piton.batches_overview as
select b.uuid as batch, b.name, w.name as workflow, s.state, b.cap, b.priority, b.items, b.items - b.started as not_started,
       n.running, n.blocked, n.done, n.failed, n.cancelled, n.gone, n.dead_letters, t.why as waits, t.moves,
       s.per_minute, case when s.state <> 'blocked' then (b.items - b.started + n.running) / nullif(s.per_minute, 0) * 60 end as left_seconds,
       b.created_by, b.created_at, b.sealed_at, case when s.state in ('done', 'failed') then n.last_end end as finished_at,
       b.cancelled_by, b.cancelled_at, b.cancel_reason, n.ended_lately as ended_last_minute
from piton.batches b
join piton.workflows w on w.id = b.workflow_id
cross join lateral (
    select count(*) filter (where r.state = 'running') as running, count(*) filter (where r.state = 'blocked') as blocked,
           count(*) filter (where r.state = 'done') as done, count(*) filter (where r.state = 'failed') as failed,
           count(*) filter (where r.state = 'cancelled') as cancelled, count(*) filter (where r.id is null) as gone,
           coalesce(sum(d.letters), 0)::int8 as dead_letters, max(r.finished_at) as last_end, min(r.started_at) as first_start,
           count(*) filter (where r.finished_at >= now() - interval '1 minute') as ended_lately,
           count(*) filter (where r.finished_at >= now() - interval '10 minutes') as ended_in_ten
    from piton.batch_items i
    left join piton.runs r on r.uuid = i.run
    left join lateral (
        select count(*) as letters from piton.dead_letters d where d.run_id = r.id and d.resolution = 'pending'
    ) as d on r.state = 'blocked'
    where i.batch_id = b.id and i.number <= b.started
) as n
cross join lateral (
    select case when b.state = 'open' then 'filling'
                when b.state = 'cancelled' then 'cancelled'
                when n.running > 0 or b.state = 'sealed' and n.blocked < coalesce(b.cap, 2147483647) then 'running'
                when n.blocked > 0 then 'blocked'
                when n.failed > 0 then 'failed'
                else 'done' end as state,
           case when b.state in ('sealed', 'started') and n.running + b.items - b.started > 0 and n.ended_in_ten > 1
                then case when n.ended_lately > 1 then n.ended_lately * 60 / greatest(least(60, age.seconds), 0.1)
                          else n.ended_in_ten * 60 / greatest(least(600, age.seconds), 0.1) end
           end as per_minute
    from (select extract(epoch from now() - piton.finite(n.first_start))::float8 as seconds) as age
) as s
left join lateral (
    select case when p.workflow_id = 0 then 'everything' else 'the workflow' end || ' is paused by ' || p.paused_by || ': "' || p.reason || '"' as words,
           'piton resume ' || case when p.workflow_id = 0 then '--everything' else w.name end as moves
    from piton.pauses p
    where p.workflow_id in (b.workflow_id, 0) and p.stage = ''
    order by p.workflow_id desc limit 1
) as p on true
left join lateral (
    select case h.reason
               when 'open' then 'items still come in, or whoever sent them is gone'
               when 'paused' then p.words
               when 'cap' then n.running + n.blocked || ' of its runs are not finished, as many as its cap lets be at once'
                    || case when n.blocked > 0
                            then '; ' || n.blocked || ' of them are blocked, and keep their places until somebody decides' else '' end
               when 'no_worker' then 'no worker is alive'
               else 'a worker is about to start more' end as why,
           case h.reason
               when 'open' then 'the same "piton batch start" again, or piton batch cancel ' || b.name
               when 'paused' then p.moves
               when 'cap' then case when n.running > 0 then 'the end of a run' else 'piton batch retry ' || b.name end
               when 'no_worker' then 'piton worker'
               else 'the next look of a worker, about a second' end as moves
    from (
        select case when b.state = 'open' then 'open'
                    when p.words is not null then 'paused'
                    when n.running + n.blocked >= b.cap then 'cap'
                    when not exists (select from piton.workers_overview k where k.state = 'alive') then 'no_worker'
                    else 'soon' end as reason
    ) as h
) as t on b.state in ('open', 'sealed');
comment on view piton.batches_overview is 'Batches, and how their runs are doing. The newest: order by batch desc limit 20.';
comment on column piton.batches_overview.batch is 'Its id. Ids grow with time.';
comment on column piton.batches_overview.name is 'Its name.';
comment on column piton.batches_overview.workflow is 'Name of the workflow.';
comment on column piton.batches_overview.state is 'filling (items come in), running, blocked (every unfinished run waits for a decision about a dead letter), done, failed (all have ended, and some failed), or cancelled.';
comment on column piton.batches_overview.cap is 'Maximum number of unfinished runs at a time; empty for no limit.';
comment on column piton.batches_overview.priority is 'Priority of its runs.';
comment on column piton.batches_overview.items is 'How many items it has.';
comment on column piton.batches_overview.not_started is 'Items that have not begun.';
comment on column piton.batches_overview.running is 'Runs that are running.';
comment on column piton.batches_overview.blocked is 'Runs that wait for a decision about a dead letter.';
comment on column piton.batches_overview.done is 'Runs that are done.';
comment on column piton.batches_overview.failed is 'Runs that failed.';
comment on column piton.batches_overview.cancelled is 'Runs that were cancelled.';
comment on column piton.batches_overview.gone is 'Runs that have ended and were cleaned up since.';
comment on column piton.batches_overview.dead_letters is 'Dead letters of its runs that wait for a decision.';
comment on column piton.batches_overview.waits is 'Why the items that have not begun are waiting; empty if all have begun.';
comment on column piton.batches_overview.moves is 'What would move them.';
comment on column piton.batches_overview.per_minute is 'Runs that end per minute: by the last minute or, where fewer than two ended in it, by the last ten; by the time since its first run started, where that is shorter. Empty where fewer than two ended.';
comment on column piton.batches_overview.left_seconds is 'How long the rest will take at that rate, without what is blocked.';
comment on column piton.batches_overview.created_by is 'Who started it.';
comment on column piton.batches_overview.created_at is 'When.';
comment on column piton.batches_overview.sealed_at is 'When all its items were in.';
comment on column piton.batches_overview.finished_at is 'When its last run ended.';
comment on column piton.batches_overview.cancelled_by is 'Who cancelled it.';
comment on column piton.batches_overview.cancelled_at is 'When.';
comment on column piton.batches_overview.cancel_reason is 'Why, in words.';
comment on column piton.batches_overview.ended_last_minute is 'How many of its runs ended in the last minute, counted.';
