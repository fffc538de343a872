-- Workers that are alive or ought to be, with how many attempts each of them runs: first those that somebody has to look at. One
-- that was lost is shown for an hour, as long as no other boot has its name.
select w.name, w.state, w.slots, busy.jobs as busy, w.last_seen
from (
    select w.id, w.name, w.slots, w.last_seen,
           case when w.last_seen <= now() - coalesce(w.lease, interval '15 seconds') then 'silent'
                when w.stopping_at is not null then 'stopping' else 'alive' end as state
    from piton.workers w
    where w.stopped_at is null
    union all
    select w.id, w.name, w.slots, w.last_seen, 'lost'
    from piton.workers w
    where w.stop_reason = 'lost' and w.stopped_at > now() - interval '1 hour' and w.parent is null
      and not exists (select from piton.workers k where k.name = w.name and k.stopped_at is null)
) as w
cross join lateral (
    select count(*) as jobs from piton.jobs j where j.state = 'running' and j.worker_id = w.id
) as busy
order by array_position('{lost,silent,stopping,alive}', w.state), w.name
limit $1
