-- The first answer counts, and a second one is told so. One that comes before anybody waits for it is kept.
--
-- Locks: the run's row, shared, against those who decide about the run; the wait; then the job. That order is everybody's who
-- waits for locks here (see src/store/sql/begin_wait.sql).
create or replace function piton.signal(run uuid, name text, payload json, actor text default session_user) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_run record;
    wanted record;
    before piton.waits;
    waiting bigint;
    called constant text := 'the payload of the signal "' || piton.quoted(name) || '"';
    said text;
    detail text;
    help text;
    code text;
begin
    perform piton.check_said(actor, null);
    if payload is null then
        raise exception 'a signal has a payload, which may be the JSON null, but not the NULL of SQL'
            using errcode = 'null_value_not_allowed', hint = 'Pass ''null''::json where there is nothing to say.';
    end if;
    select r.id, r.version_id, r.state, r.started_by into found_run from piton.runs r where r.uuid = signal.run for key share;
    if not found or found_run.state in ('done', 'failed', 'cancelled') then
        perform piton.refuse_run(run);
    end if;
    select (s.place - 1)::int2 as stage, s.definition ->> 'name' as stage_name, s.definition -> 'kind' -> 'signal' as signal into wanted
    from piton.workflow_versions v
    cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
    where v.id = found_run.version_id and s.definition -> 'kind' -> 'signal' ->> 'name' = signal.name;
    if not found then
        raise exception 'run % waits for no signal "%"', run, piton.quoted(name)
            using errcode = 'no_data_found',
                  hint = coalesce(
                      (select 'Its workflow knows ' || string_agg('"' || (s.definition -> 'kind' -> 'signal' ->> 'name') || '"', ', ' order by s.place) || '.'
                       from piton.workflow_versions v
                       cross join lateral json_array_elements(v.definition -> 'stages') with ordinality as s (definition, place)
                       where v.id = found_run.version_id and s.definition -> 'kind' -> 'signal' is not null),
                      'Its workflow has no stage that waits for a signal.');
    end if;
    -- The name that is given proves nothing; the user is known to the server.
    if (wanted.signal ->> 'not_starter')::boolean and found_run.started_by = session_user then
        raise exception 'the signal "%" is not for whoever started the run, and that was %', piton.quoted(name), session_user
            using errcode = 'object_not_in_prerequisite_state', hint = 'Let somebody answer who is another user of the database.';
    end if;
    begin
        perform piton.check_input(payload);
        if wanted.signal -> 'payload' is not null then
            payload := piton.fit_input(wanted.signal -> 'payload', payload, called);
        end if;
    exception
        when program_limit_exceeded or untranslatable_character or invalid_parameter_value then
            get stacked diagnostics said = message_text, detail = pg_exception_detail, help = pg_exception_hint, code = returned_sqlstate;
            said := replace(replace(said, 'the run''s input', called), 'below [input] in the file', 'under `payload` of its stage');
            raise exception '%', said using errcode = code, detail = coalesce(detail, ''), hint = coalesce(help, '');
    end;
    insert into piton.waits as w (run_id, stage, item, kind, name, outcome, ended_at, answered_by, role, digest, payload)
    values (found_run.id, wanted.stage, -1, 'signal', signal.name, 'answered', now(), signal.actor, session_user,
            sha256(convert_to(signal.payload::text, 'UTF8')), signal.payload)
    on conflict (run_id, stage, item) do update
    set outcome = 'answered', ended_at = now(), answered_by = excluded.answered_by, role = excluded.role, digest = excluded.digest,
        payload = excluded.payload,
        -- A job that gave up waiting is told when it is tried again.
        job_id = case when w.outcome is null then w.job_id end, attempt = case when w.outcome is null then w.attempt end,
        since = case when w.outcome is null then w.since end
    where w.outcome is null or piton.wait_is_spent(w.run_id, w.stage, w.item, w.attempt, w.outcome)
    returning w.job_id into waiting;
    if not found then
        select w.* into before from piton.waits w where w.run_id = found_run.id and w.stage = wanted.stage and w.item = -1;
        raise exception 'the signal "%" of run % was % at %', piton.quoted(name), run,
            case before.outcome when 'answered' then 'answered by ' || before.answered_by else 'given up' end, piton.clock(before.ended_at)
            using errcode = 'object_not_in_prerequisite_state', hint = 'The first answer counts; this one changes nothing.';
    end if;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    values (signal.actor, 'signal', 'run', signal.run, jsonb_build_object('signal', signal.name, 'stage', wanted.stage_name));
    -- A statement of its own: it sees the job as it is, now that its wait is locked.
    update piton.jobs j set state = 'ready', since = now()
    where j.run_id = found_run.id and j.id = waiting and j.stage = wanted.stage and j.state = 'waiting';
    if found then
        perform piton.wake_workers();
    end if;
end
$$;
comment on function piton.signal(uuid, text, json, text) is 'Answers the stage of a run that waits for a signal of that name, in the caller''s transaction; one that does not wait yet finds the answer when it does. The first answer counts. Raises where there was one before.';
