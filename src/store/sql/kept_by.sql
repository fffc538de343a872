-- The visible artifacts of a stage of this run, by the stage's name; a row of nothing where it has kept none, and no row where
-- there is no such stage. The stage that asks may go item by item over that stage's items: then only those of its own item.
with stages as materialized (
    select (s.at - 1)::int2 as stage, s.said
    from piton.runs r
    join piton.workflow_versions v on v.id = r.version_id
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (said, at)
    where r.id = $1
),
wanted as materialized (
    select w.stage,
           case when o.said -> 'for_each' -> 'source' ->> 'stage' = w.stage::text and w.said -> 'for_each' is not null
                then $5::int4 end as item
    from stages w, stages o
    where w.said ->> 'name' = $2 and o.stage = $4
)
select a.id, $1::int8 as run, a.name, a.address, a.bytes, a.digest, a.item
from wanted w
left join piton.artifacts a
    on a.run_id = any(array[$1::int8]) and a.stage = w.stage and (w.item is null or a.item = w.item)
   and ($3::text is null or a.name = $3) and a.type not in ('pending', 'failed', 'orphan', 'dead_letter')
order by a.item, a.name
