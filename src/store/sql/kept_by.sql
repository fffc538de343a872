-- The visible artifacts of a stage of this run, by the stage's name; a row of nothing where it has kept none, and no row where
-- there is no such stage. The stage that asks may go item by item over that stage's items: then only those of its own item.
with stages as materialized (
    select (s.at - 1)::int2 as stage, s.said
    from piton.runs r
    cross join lateral (
        select v.definition from piton.workflow_versions v where v.id = any(array[r.version_id]) offset 0
    ) as v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (said, at)
    where r.id = any(array[$1::int8])
),
wanted as materialized (
    select w.stage,
           -- Where its items are made of several arrays, none is one of that stage.
           coalesce(o.said -> 'for_each' -> 'source' ->> 'stage' = w.stage::text and w.said -> 'for_each' is not null
                    and o.said -> 'for_each' -> 'within' is null and o.said -> 'for_each' -> 'times' is null, false)
               as item_by_item
    from stages w, stages o
    where w.said ->> 'name' = $2 and o.stage = $4
)
select a.id, $1::int8 as run, a.name, a.address, a.bytes, a.digest, a.item
from wanted w
left join lateral (
    select * from piton.artifacts k
    where k.run_id = any(array[$1::int8]) and k.stage = w.stage
      and k.item >= case when w.item_by_item then $5::int4 else -1 end
      and k.item <= case when w.item_by_item then $5::int4 else 2147483647 end
      and ($3::text is null or k.name = $3) and k.type not in ('pending', 'failed', 'orphan', 'dead_letter')
    offset 0
) as a on true
order by a.item, a.name
