-- The run's row first: another round makes jobs, and writes joins anew. The checkpoint of the job that decided goes into the past with
-- those of the other stages of its round. False where the claim holds no more, or not all of its artifacts are on record (commit.sql).
create or replace function piton.begin_round(
    run bigint, job bigint, stage smallint, item integer, attempt integer, worker bigint, token bigint, started_at timestamptz,
    output text, digest bytea, artifacts integer, why text
) returns boolean
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    held piton.jobs;
begin
    perform from piton.runs r where r.id = begin_round.run for update;
    select j.* into held
    from piton.jobs j
    where j.run_id = begin_round.run and j.id = begin_round.job and j.stage = begin_round.stage and j.item = begin_round.item
      and j.attempt = begin_round.attempt and j.worker_id = begin_round.worker and j.token = begin_round.token
    for update;
    if not found then
        return false;
    end if;
    if begin_round.artifacts > (
        select count(*) from piton.artifacts a
        where a.run_id = held.run_id and a.stage = held.stage and a.item = held.item and a.attempt = held.attempt
          and a.job_id = held.id and a.worker_id = held.worker_id and a.token = held.token
          and a.type = 'pending' and a.digest is not null)
    then
        return false;
    end if;
    update piton.artifacts a set type = case when a.digest is null then 'orphan' else a.declared end
    where a.run_id = held.run_id and a.stage = held.stage and a.item = held.item and a.attempt = held.attempt
      and a.job_id = held.id and a.worker_id = held.worker_id and a.token = held.token and a.type = 'pending';
    insert into piton.checkpoints (run_id, stage, item, attempt, worker_id, started_at, bytes, digest, output)
    values (held.run_id, held.stage, held.item, held.attempt, held.worker_id, begin_round.started_at,
            octet_length(begin_round.output), begin_round.digest, begin_round.output::json);
    delete from piton.jobs j where j.run_id = held.run_id and j.id = held.id;
    perform piton.next_round(held.run_id, held.stage, held.rank, held.due_at, begin_round.why);
    return true;
end
$$;
comment on function piton.begin_round(bigint, bigint, smallint, integer, integer, bigint, bigint, timestamptz, text, bytea, integer, text) is 'For Piton itself: ends an attempt that decided that its round is not good enough, and begins another round, if its claim still holds.';
