create or replace function piton.retry_batch(
    batch text, class text default null, actor text default session_user, note text default null
) returns setof uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint := piton.batch_named(batch);
    letters uuid[];
begin
    select array_agg(d.id) into letters
    from piton.batch_items i
    join piton.runs r on r.uuid = i.run and r.state = 'blocked'
    join piton.dead_letters d on d.run_id = r.id and d.resolution = 'pending'
    where i.batch_id = key and (retry_batch.class is null or d.class = retry_batch.class);
    perform piton.retry_dead_letters(letters, actor, note);
    return query select unnest(letters);
end
$$;
comment on function piton.retry_batch(text, text, text, text) is 'Lets the jobs of a batch''s pending dead letters go on, all or those of a failure class, as piton.retry_dead_letters does; returns their ids.';
