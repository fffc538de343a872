-- The run's row first, as everyone who decides about a run. An attempt that is under way is fenced: its result changes
-- nothing. Items that were to come after it become a branch of their own.
create or replace function piton.force_dead_letter(
    run uuid, stage text, reason text, item integer default null, actor text default session_user
) returns uuid
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_run record;
    number smallint;
    job record;
    letter uuid := piton.new_id();
    said text;
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a job is given up', 'piton.force_dead_letter(run, ''stage'', ''why'')');
    select r.id, r.state, r.version_id into found_run from piton.runs r where r.uuid = force_dead_letter.run for update;
    if not found then
        raise exception 'there is no run %', run using errcode = 'no_data_found', hint = 'List them: select * from piton.runs.';
    end if;
    select s.place - 1 into number
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = found_run.version_id and s.definition ->> 'name' = force_dead_letter.stage;
    select j.* into job
    from piton.jobs j
    where j.run_id = found_run.id and j.stage = number and j.item = coalesce(force_dead_letter.item, -1)
    for update;
    if not found then
        raise exception 'run % has no live job of stage "%"%', run, piton.quoted(stage), coalesce(', item ' || item, '')
            using errcode = 'no_data_found', hint = 'Its jobs: select * from piton.jobs where run_id = ' || found_run.id || '.';
    end if;
    delete from piton.jobs j where j.run_id = job.run_id and j.id = job.id;
    -- A retry waits anew.
    update piton.waits w set outcome = 'cancelled', ended_at = now()
    where w.run_id = job.run_id and w.stage = job.stage and w.item = job.item and w.outcome is null;
    perform piton.end_children(found_run.id, array[job.stage], job.item);
    if job.item >= 0 and job.until > job.item + 1 then
        insert into piton.jobs (run_id, workflow_id, version_id, stage, item, until, state, rank, due_at)
        values (job.run_id, job.workflow_id, job.version_id, job.stage, job.item + 1, job.until, 'ready', job.rank, job.due_at);
        perform piton.wake_workers();
    end if;
    update piton.artifacts a set type = 'failed'
    where a.run_id = job.run_id and a.job_id = job.id and a.stage = job.stage and a.item = job.item and a.type = 'pending';
    said := 'given up by ' || actor || ': ' || reason;
    job.attempt := job.attempt + (job.state <> 'running')::int4;
    insert into piton.attempts (run_id, stage, item, attempt, outcome, class, message, worker_id, started_at)
    values (job.run_id, job.stage, job.item, job.attempt, 'failed', 'unknown', said, coalesce(job.worker_id, 0), job.since);
    insert into piton.dead_letters (id, run_id, workflow_id, version_id, stage, item, attempt, rank, class, message,
                                    fingerprint, worker_id)
    values (letter, job.run_id, job.workflow_id, job.version_id, job.stage, job.item, job.attempt, job.rank, 'unknown', said,
            encode(substring(sha256('given up by hand') for 6), 'hex'), coalesce(job.worker_id, 0));
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (force_dead_letter.actor, 'force', 'dead_letter', letter,
            jsonb_strip_nulls(jsonb_build_object('run', force_dead_letter.run, 'stage', force_dead_letter.stage,
                                                 'item', nullif(job.item, -1), 'reason', force_dead_letter.reason)));
    update piton.runs r set state = 'blocked' where r.id = found_run.id;
    return letter;
end
$$;
comment on function piton.force_dead_letter(uuid, text, text, integer, text) is 'Gives up a live job by hand, for a reason: it becomes a dead letter, and its run is blocked. Returns the id of the dead letter.';
