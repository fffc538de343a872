-- The next $5 checkpoints in the order of their keys, behind the key $1, $2, $3, of the runs up to $4.
select k.run_id, r.uuid as run, r.version_id, r.started_at as run_started_at, k.stage, k.item, k.finished_at,
       k.bytes, k.digest, k.output::text as output
from piton.checkpoints k join piton.runs r on r.id = any(array[k.run_id])
where (k.run_id, k.stage, k.item) > ($1, $2, $3) and k.run_id <= $4
order by k.run_id, k.stage, k.item
limit $5
