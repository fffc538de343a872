-- The next $5 checkpoints in the order of their keys, behind the key $1, $2, $3, of the runs up to $4: fewer where the outputs
-- before one have more than $6 bytes together, and one at least. Each is looked up by itself ("limit 1"): joined, the planner may
-- walk over all of them.
select k.run_id, r.uuid as run, r.version_id, r.started_at as run_started_at, k.stage, k.item, k.finished_at,
       k.bytes, k.digest, k.output::text as output, k.skipped
from (
    select p.*, sum(p.bytes) over (order by p.run_id, p.stage, p.item rows between unbounded preceding and 1 preceding) as before
    from (
        select k.run_id, k.stage, k.item, k.bytes
        from piton.checkpoints k
        where (k.run_id, k.stage, k.item) > ($1, $2, $3) and k.run_id <= $4
        order by k.run_id, k.stage, k.item
        limit $5
    ) as p
) as p
cross join lateral (
    select * from piton.checkpoints k
    where k.run_id = any(array[p.run_id]) and k.stage = p.stage and k.item = p.item
    limit 1
) as k
join piton.runs r on r.id = any(array[k.run_id])
where coalesce(p.before, 0) <= $6
order by p.run_id, p.stage, p.item
