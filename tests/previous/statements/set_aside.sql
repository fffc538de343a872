-- Sets more jobs aside where a claim has met one whose stage has a limit: those among the first $2 ready ones of the workflows
-- $1, so that the next claims have not to do it a few at a time.
with ahead as materialized (
    select p.run_id, p.id, p.limit_id
    from unnest($1::int8[]) as q (workflow_id)
    cross join lateral (
        select j.run_id, j.id,
               (select l.limit_id from piton.limited_stages l
                where l.version_id = any(array[j.version_id]) and l.stage = j.stage) as limit_id
        from piton.jobs j
        where j.workflow_id = q.workflow_id and j.state = 'ready'
        order by j.rank, j.due_at, j.id
        limit $2
        for no key update skip locked
    ) as p
)
update piton.jobs j
set state = 'limited', limit_id = a.limit_id, since = now()
from ahead a
where a.limit_id is not null and j.run_id = any(array[a.run_id]) and j.id = a.id
