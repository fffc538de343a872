-- Workers that are alive or ought to be, and what each of them runs: first those that somebody has to look at. One that was lost is
-- shown for an hour, unless another boot has its name.
select w.worker as name, w.state, w.slots, w.jobs as busy, w.last_seen, w.build, w.host, w.warm
from (
    select distinct on (k.name) k.id
    from piton.workers k
    where k.parent is null
      and (k.stopped_at is null or k.stop_reason = 'lost' and k.stopped_at > now() - interval '1 hour')
    order by k.name, k.stopped_at desc nulls first
) as shown
join piton.workers_overview w on w.worker_id = shown.id
order by array_position('{lost,silent,stopping,alive}', w.state), w.worker
limit $1
