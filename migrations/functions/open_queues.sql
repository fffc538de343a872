-- Those of the workflows that are not paused. Put into the statement that calls it, which a pinned search_path would prevent: so
-- each name in it says its schema.
create or replace function piton.open_queues(workflows bigint[]) returns table (workflow_id bigint)
language sql stable
as $$
    select q.workflow_id from pg_catalog.unnest(open_queues.workflows) as q (workflow_id)
    where not exists (
        select from piton.pauses p
        where p.workflow_id operator(pg_catalog.=) any(array[q.workflow_id, 0]) and p.stage operator(pg_catalog.=) '')
$$;
comment on function piton.open_queues(bigint[]) is 'For Piton itself: those of these workflows that are not paused.';
