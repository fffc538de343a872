-- What is checked of every job is read once per session, too, as that of runs is (0002): Postgres reads a table's checks anew in every
-- statement that writes to it, and the twelve of piton.jobs took longer than the rest of what writes one row.
--
-- They are the same checks, and know the state `waiting` (0056). Not valid: for that no table is read under the lock; each held for every row that was written.

create function piton.is_sound_job(
    state text, stage smallint, item integer, until integer, attempt integer, deaths smallint, group_deaths smallint,
    due_at timestamptz, worker_id bigint, limit_id bigint
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state operator(pg_catalog.=) any ('{ready,running,scheduled,suspect,limited,waiting}'::pg_catalog.text[])
       and (state operator(pg_catalog.=) 'running') operator(pg_catalog.=) (worker_id is not null)
       and (state operator(pg_catalog.<>) 'limited' or limit_id is not null)
       and (until operator(pg_catalog.=) (item operator(pg_catalog.+) 1)
            or state operator(pg_catalog.<>) all ('{scheduled,suspect,waiting}'::pg_catalog.text[]))
       and attempt operator(pg_catalog.>=) 0
       and (attempt operator(pg_catalog.>) 0 or state operator(pg_catalog.<>) 'running')
       and deaths operator(pg_catalog.>=) 0::pg_catalog.int2
       and (deaths operator(pg_catalog.>) 0::pg_catalog.int2 or state operator(pg_catalog.<>) 'suspect')
       and group_deaths operator(pg_catalog.>=) 0::pg_catalog.int2
       and stage operator(pg_catalog.>=) 0::pg_catalog.int2
       and item operator(pg_catalog.>=) (-1) and until operator(pg_catalog.>) item
       and (item operator(pg_catalog.>=) 0 or until operator(pg_catalog.=) 0)
       and due_at operator(pg_catalog.>=) '1970-01-01 00:00:00+00'::pg_catalog.timestamptz
       and due_at operator(pg_catalog.<) '10000-01-01 00:00:00+00'::pg_catalog.timestamptz;
end
$$;
comment on function piton.is_sound_job(text, smallint, integer, integer, integer, smallint, smallint, timestamptz, bigint, bigint) is 'What piton.jobs checks of every row. Part of the table: it changes by migrations.';
alter table piton.jobs
    add constraint jobs_are_sound check (
        piton.is_sound_job(state, stage, item, until, attempt, deaths, group_deaths, due_at, worker_id, limit_id)) not valid,
    drop constraint jobs_state_check,
    drop constraint jobs_check,
    drop constraint jobs_limit_check,
    drop constraint jobs_alone_check,
    drop constraint jobs_attempt_check,
    drop constraint jobs_check1,
    drop constraint jobs_deaths_check,
    drop constraint jobs_group_deaths_check,
    drop constraint jobs_stage_check,
    drop constraint jobs_item_check,
    drop constraint jobs_until_check,
    drop constraint jobs_due_at_check;

-- Of runs, the two that had come beside it.
create function piton.is_sound_run(
    state text, priority smallint, started_at timestamptz, finished_at timestamptz, failed_stage smallint, failure_class text,
    failure_message text, traceparent text, tracestate text
) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return state operator(pg_catalog.=) any ('{running,blocked,done,failed,cancelled}'::pg_catalog.text[])
       and priority operator(pg_catalog.>=) (-1000) and priority operator(pg_catalog.<=) 1000
       and started_at operator(pg_catalog.>=) '1970-01-01 00:00:00+00'::pg_catalog.timestamptz
       and started_at operator(pg_catalog.<) '10000-01-01 00:00:00+00'::pg_catalog.timestamptz
       and (state operator(pg_catalog.=) any ('{running,blocked}'::pg_catalog.text[])) operator(pg_catalog.=) (finished_at is null)
       and (state operator(pg_catalog.=) 'failed') operator(pg_catalog.=) (failure_class is not null)
       and (failure_class is null) operator(pg_catalog.=) (failure_message is null)
       and (failure_class is null) operator(pg_catalog.=) (failed_stage is null)
       and (traceparent is null and tracestate is null
            or coalesce(piton.is_sound_trace(traceparent, tracestate), false));
end
$$;
comment on function piton.is_sound_run(text, smallint, timestamptz, timestamptz, smallint, text, text, text, text) is 'What piton.runs checks of every row. Part of the table: it changes by migrations.';
alter table piton.runs
    drop constraint runs_are_sound,
    drop constraint runs_started_at_check,
    drop constraint runs_traces_are_sound,
    add constraint runs_are_sound check (
        piton.is_sound_run(state, priority, started_at, finished_at, failed_stage, failure_class, failure_message, traceparent,
                           tracestate)) not valid;
drop function piton.is_sound_run(text, smallint, timestamptz, smallint, text, text);
