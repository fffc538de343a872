-- In the transaction of the start: so no file is there for a run that is not, and none is added to a run later. What was written
-- before a start that failed is found by a scan of the store, because no artifact has its address.
create or replace function piton.begin_on_file(
    run uuid, artifact uuid, name text, below text, bytes bigint, digest bytea
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    key bigint;
begin
    select r.id into key from piton.runs r where r.uuid = begin_on_file.run and r.started_at = now();
    if key is null then
        raise exception 'files are given to a run in the transaction that starts it, and % is started in another', run
            using errcode = 'object_not_in_prerequisite_state', hint = 'Start another run on them.';
    end if;
    -- Its bytes were there before the run had an id.
    if below is null or name is null or bytes is null or digest is null or artifact is null
       or below !~ ('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/input/-/1-' || artifact || '/[^/]') then
        raise exception 'the address of a file of run % is not one that such a file has', run
            using errcode = 'invalid_parameter_value', hint = 'Have Piton start the run on files: piton start --file, or piton.start_run_on_files.';
    end if;
    insert into piton.artifacts (id, run_id, job_id, stage, item, attempt, worker_id, name, type, declared, address, bytes, digest)
    values (artifact, key, 0, -1, -1, 1, 0, begin_on_file.name, 'output', 'output',
            'runs/db-' || piton.store_owner() || '/' || below, begin_on_file.bytes, begin_on_file.digest);
end
$$;
comment on function piton.begin_on_file(uuid, uuid, text, text, bigint, bytea) is 'Records a file that a run is started on. It must be in the artifact store already, and be listed in the run''s input under files. Call it in the transaction of the start.';
