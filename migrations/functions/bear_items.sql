create or replace function piton.bear_items(dead_letter uuid, stage smallint) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank)
    select d.run_id, d.workflow_id, d.version_id, k.stage, i, i + 1, 'ready', d.rank
    from piton.dead_letters d
    join piton.checkpoints k on k.run_id = d.run_id and k.stage = bear_items.stage and k.item = -1
    cross join lateral generate_series(0, (k.output::text)::int4 - 1) as i
    where d.id = bear_items.dead_letter
      and not exists (select from piton.checkpoints o where o.run_id = d.run_id and o.stage = k.stage and o.item = i)
      and not exists (select from piton.jobs j
                      where j.run_id = d.run_id and j.stage = k.stage and j.item <= i and i < j.until)
      and not exists (select from piton.dead_letters o
                      where o.run_id = d.run_id and o.stage = k.stage and o.item = i and o.resolution = 'pending')
$$;
comment on function piton.bear_items(uuid, smallint) is 'For Piton itself: a job for every item of a split stage that has neither a checkpoint, nor a job, nor a dead letter.';
