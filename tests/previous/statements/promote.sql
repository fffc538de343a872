-- Makes jobs ready whose time has come, at most $1, and tells in how many milliseconds the next one is due.
with due as materialized (
    select run_id, id from piton.jobs
    where state = 'scheduled' and due_at <= now()
    order by due_at
    limit $1
    for no key update skip locked
),
promoted as (
    update piton.jobs j set state = 'ready', since = now()
    from due d
    where j.run_id = any(array[d.run_id]) and j.id = d.id
    returning 1
)
select (select count(*) from promoted) as promoted,
       (select ceil(extract(epoch from min(due_at) - now()) * 1000)::int8
        from piton.jobs where state = 'scheduled' and due_at > now()) as next_due_ms
