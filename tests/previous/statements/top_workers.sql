-- Live workers, and how many attempts each of them runs.
select w.name, w.slots, busy.jobs as busy, w.last_seen
from piton.workers w
cross join lateral (
    select count(*) as jobs from piton.jobs j where j.state = 'running' and j.worker_id = w.id
) as busy
where w.stopped_at is null
order by w.name
limit $1
