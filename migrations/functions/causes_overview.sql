-- Walks the dead letters that are pending, once. They are counted by keys, and named then; a run follows one version, so that
-- none is counted twice.
create or replace view piton.causes_overview as
with counted as (
    select d.workflow_id, d.version_id, d.stage, d.class, d.fingerprint, count(*) as letters, count(distinct d.run_id) as runs,
           min(d.dead_at) as first_at, max(d.dead_at) as last_at, (array_agg(d.id order by d.dead_at desc, d.id desc))[1] as example_id
    from piton.dead_letters d
    where d.resolution = 'pending'
    group by 1, 2, 3, 4, 5
),
named as (
    select w.name as workflow, coalesce(v.stage_names[c.stage + 1], '#' || c.stage) as stage, c.class, c.fingerprint,
           sum(c.letters)::int8 as letters, sum(c.runs)::int8 as runs, min(c.first_at) as first_at, max(c.last_at) as last_at,
           (array_agg(c.example_id order by c.last_at desc, c.example_id desc))[1] as example_id
    from counted c
    join piton.workflows w on w.id = c.workflow_id
    join piton.workflow_versions v on v.id = c.version_id
    group by 1, 2, 3, 4
)
select n.fingerprint, n.class, n.workflow, n.stage, n.letters, n.runs, n.first_at, n.last_at,
       (select left(d.message, 2000) from piton.dead_letters d where d.id = n.example_id) as example, n.example_id
from named n;
comment on view piton.causes_overview is 'What dead letters wait for a decision, by cause, workflow and stage. The most frequent: order by letters desc.';
comment on column piton.causes_overview.fingerprint is 'Names the cause: piton dead-letter retry --fingerprint takes all of it.';
comment on column piton.causes_overview.class is 'Failure class.';
comment on column piton.causes_overview.workflow is 'Name of the workflow.';
comment on column piton.causes_overview.stage is 'Name of the stage.';
comment on column piton.causes_overview.letters is 'How many dead letters.';
comment on column piton.causes_overview.runs is 'How many runs they block.';
comment on column piton.causes_overview.first_at is 'When the first of them was given up.';
comment on column piton.causes_overview.last_at is 'When the last of them was given up.';
comment on column piton.causes_overview.example is 'Message of the last one.';
comment on column piton.causes_overview.example_id is 'Id of the last one: piton dead-letter show ID.';
