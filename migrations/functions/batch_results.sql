-- Outputs of the stages that nothing needs, as `piton show` has them: a fanned-out one has as many as it has items, and is
-- left out.
create or replace function piton.batch_results(batch text, after integer default 0, most integer default 2147483647)
returns table (item integer, run uuid, state text, output json, failure json)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with asked as materialized (
        select b.id, b.version_id from piton.batches b where b.id = piton.batch_named(batch_results.batch)
    ),
    stage as materialized (
        select s.stage, s.name, s.needs, s.fans_out from asked a cross join lateral piton.stages_of(a.version_id) s
    ),
    last_stage as materialized (
        select s.stage, s.name from stage s
        where not s.fans_out and not exists (select from stage t where s.stage = any(t.needs))
    )
    select i.number, i.run,
           case when i.run is null then 'not_started' when r.id is null then 'gone' else r.state end,
           case r.state when 'done' then (
               select coalesce(json_object_agg(l.name, k.output order by l.stage), '{}')
               from last_stage l
               join piton.checkpoints k on k.run_id = any(array[r.id]) and k.stage = l.stage and k.item = -1) end,
           case r.state
               when 'blocked' then (
                   select json_build_object('dead_letter', d.id, 'stage', (select s.name from stage s where s.stage = d.stage),
                                            'item', nullif(d.item, -1), 'class', d.class, 'message', d.message)
                   from piton.dead_letters d where d.run_id = any(array[r.id]) and d.resolution = 'pending'
                   order by d.dead_at limit 1)
               when 'failed' then json_build_object('stage', (select s.name from stage s where s.stage = r.failed_stage),
                                                    'class', r.failure_class, 'message', r.failure_message)
               when 'cancelled' then (
                   select json_build_object('cancelled_by', c.cancelled_by, 'message', c.reason)
                   from piton.cancellations c where c.run_id = any(array[r.id])) end
    from asked a
    join piton.batch_items i on i.batch_id = a.id
    left join piton.runs r on r.uuid = i.run
    where i.number > batch_results.after and i.number <= batch_results.after::int8 + most
    order by i.number
$$;
comment on function piton.batch_results(text, integer, integer) is 'What became of the items of a batch, by its name or id: those after that number, up to a maximum. State is not_started, gone (cleaned up), or that of the run; the output is that of its last stages by name, the failure that of its first pending dead letter, of what it failed with, or why it was cancelled.';
