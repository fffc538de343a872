-- Sets more jobs aside where a claim or a look has met some: those among the first $2 ready ones of the workflows $1 whose stage
-- has a limit or is paused, or is one of those ($3, $4) that this worker cannot run and that no other one has claimed for a
-- second. So that the next claims need not do it a few at a time. Returns how many.
with ahead as materialized (
    select h.run_id, h.id,
           coalesce(
               (select l.limit_id from piton.limited_stages l
                where l.version_id = any(array[h.version_id]) and l.stage = h.stage),
               case when h.since < now() - interval '1 second' and exists (
                        select from unnest($3::int8[], $4::int2[]) as u (version_id, stage)
                        where u.version_id = h.version_id and u.stage = h.stage)
                    then (select l.id from piton.workflow_versions v
                          join piton.stage_limits l
                              on l.workflow_id = any(array[v.workflow_id]) and l.stage = v.stage_names[h.stage + 1]
                          where v.id = any(array[h.version_id])) end) as limit_id
    from unnest($1::int8[]) as q (workflow_id)
    cross join lateral (
        select j.run_id, j.id, j.version_id, j.stage, j.since
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'ready'
        order by j.rank, j.due_at, j.id
        limit $2
    ) as h
),
-- No job that somebody claims at this moment is waited for, or kept from others for more than it takes.
picked as materialized (
    select a.limit_id, p.run_id, p.id
    from ahead a
    cross join lateral (
        select j.run_id, j.id from piton.jobs j
        where j.run_id = any(array[a.run_id]) and j.id = a.id and j.state = 'ready'
        for no key update skip locked
    ) as p
    where a.limit_id is not null
),
moved as (
    update piton.jobs j
    set state = 'limited', limit_id = p.limit_id
    from picked p
    where j.run_id = any(array[p.run_id]) and j.id = p.id
    returning 1
)
select count(*) from moved
