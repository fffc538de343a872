-- Stages that a finished run lacks something of: a checkpoint, or items. Of the runs from $1 to $2.
select r.uuid as run, s.definition ->> 'name' as stage, split.items, coalesce(done.found, 0) as found
from piton.runs r
join piton.workflow_versions v on v.id = any(array[r.version_id])
cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
left join piton.checkpoints k on k.run_id = any(array[r.id]) and k.stage = s.place - 1 and k.item = -1
cross join lateral (
    select case when s.definition -> 'for_each' is not null and k.output::text ~ '^[0-9]{1,9}$'
                then (k.output::text)::int8 end as items) as split
left join lateral (
    select count(*) as found from piton.checkpoints i
    where i.run_id = any(array[r.id]) and i.stage = s.place - 1 and i.item >= 0) as done on split.items is not null
where r.state = 'done' and r.id >= $1 and r.id <= $2
  and (k.run_id is null or split.items <> done.found)
order by r.id, s.place
