-- The state in the database (piton.state), for the one worker that takes it: boot $1, for $2 milliseconds more, if nobody
-- else has it now. Whoever has it keeps it by asking again, and settles the artifacts that nobody else has settled, and the waits for runs that have ended. Without
-- it the answer is empty, and nothing was read.
with mine as materialized (
    insert into piton.leases as l (name, worker_id, until)
    select 'snapshot', id, now() + $2 * interval '1 millisecond' from piton.workers where id = $1 and stopped_at is null
    on conflict (name) do update set worker_id = excluded.worker_id, until = excluded.until
    where l.worker_id = excluded.worker_id or l.until < now()
    returning 1
),
settled as materialized (
    select piton.settle_artifacts(), piton.settle_children() from mine
)
select s.metric, s.label_1, s.label_2, s.label_3, s.value
from mine
cross join lateral piton.state($3) as s
where (select count(*) from settled) >= 0
