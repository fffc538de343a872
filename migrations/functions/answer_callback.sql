-- The first answer counts, and a second one is told so. One that comes before anybody waits for it is kept; so is one that comes when
-- the job has given up waiting: a retry of it takes the answer and asks nobody again.
--
-- Locks: those of piton.callback_named, the wait, then the job.
create or replace function piton.answer_callback(token text, outcome text, payload json, actor text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    opened piton.callbacks;
    before piton.waits;
    waiting bigint;
begin
    perform piton.check_said(actor, null);
    opened := piton.callback_named(token);
    insert into piton.waits as w (run_id, stage, item, attempt, kind, outcome, ended_at, answered_by, role, digest, payload)
    values (opened.run_id, opened.stage, opened.item, opened.attempt, 'callback', answer_callback.outcome, now(), answer_callback.actor,
            session_user, sha256(convert_to(answer_callback.payload::text, 'UTF8')), answer_callback.payload)
    on conflict (run_id, stage, item) do update
    set outcome = excluded.outcome, ended_at = now(), answered_by = excluded.answered_by, role = excluded.role, digest = excluded.digest,
        payload = excluded.payload,
        -- A job that gave up waiting is told when it is tried again, by an attempt after those that have failed.
        job_id = case when w.outcome is null then w.job_id end, since = case when w.outcome is null then w.since end,
        attempt = case when w.outcome is null then w.attempt
                       else (select max(a.attempt) + 1 from piton.attempts a
                             where a.run_id = w.run_id and a.stage = w.stage and a.item = w.item) end
    where w.outcome is null
       or w.outcome in ('timed_out', 'cancelled') and piton.wait_is_spent(w.run_id, w.stage, w.item, w.attempt, w.outcome)
    returning w.job_id into waiting;
    if not found then
        select w.* into before from piton.waits w
        where w.run_id = opened.run_id and w.stage = opened.stage and w.item = opened.item;
        if before.outcome in ('answered', 'failed') then
            raise exception 'this was answered by % at %', before.answered_by, piton.clock(before.ended_at)
                using errcode = 'object_not_in_prerequisite_state', hint = 'The first answer counts; this one changes nothing.';
        end if;
        perform piton.refuse_callback();
    end if;
    -- A statement of its own: it sees the job as it is, now that its wait is locked.
    update piton.jobs j set state = 'ready', since = now()
    where j.run_id = opened.run_id and j.id = waiting and j.stage = opened.stage and j.item = opened.item and j.state = 'waiting';
    if found then
        perform piton.wake_workers();
    end if;
end
$$;
comment on function piton.answer_callback(text, text, json, text) is 'For Piton itself: ends the wait that a token opens, with an output or with a failure.';
