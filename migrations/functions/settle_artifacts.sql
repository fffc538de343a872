-- Whoever ends an attempt says what its artifacts are, in the same statement. A row that was written beside that, by what
-- the attempt left running, was not seen there. One statement, one snapshot: a row that is pending while its attempt is over
-- will never be anything else. Walks what is pending, as many as live attempts have made.
create or replace function piton.settle_artifacts(at_most integer default 1000) returns bigint
language sql
security definer set search_path = pg_catalog, pg_temp
as $$
    with forgotten as (
        select a.id
        from piton.artifacts a
        where a.type = 'pending'
          and not exists (
              select from piton.jobs j
              where j.run_id = a.run_id and j.id = a.job_id and j.state = 'running' and j.stage = a.stage
                and j.item = a.item and j.attempt = a.attempt and j.worker_id = a.worker_id)
        order by a.created_at
        limit at_most
        for no key update skip locked
    ),
    settled as (
        update piton.artifacts a set type = 'orphan' from forgotten f where a.id = f.id returning 1
    )
    select count(*) from settled
$$;
comment on function piton.settle_artifacts(integer) is 'For Piton itself: artifacts that are pending and whose attempt is over become orphans. Returns how many. May run at any time, also on several workers at once.';
