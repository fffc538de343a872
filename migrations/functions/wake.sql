-- Locks: the run's row, shared, against those who decide about the run; the waits; then the jobs. That order is everybody's who
-- waits for locks here (see src/store/sql/begin_wait.sql).
create or replace function piton.wake(run uuid, stage text, item integer default null, actor text default session_user) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_run record;
    number smallint;
    woken bigint;
begin
    perform piton.check_said(actor, null);
    select r.id, r.version_id, r.state into found_run from piton.runs r where r.uuid = wake.run for key share;
    if not found then
        raise exception 'there is no run %', run using errcode = 'no_data_found', hint = 'List them: select * from piton.runs_overview.';
    end if;
    select s.stage into number from piton.stage_names s where s.version_id = found_run.version_id and s.name = wake.stage;
    if not found then
        raise exception 'run % has no stage "%"', run, piton.quoted(stage)
            using errcode = 'no_data_found', hint = 'What it waits for: select * from piton.waits_overview where run = ' || quote_literal(run) || '.';
    end if;
    perform from piton.waits w
    where w.run_id = found_run.id and w.stage = number and w.item = coalesce(wake.item, w.item) and w.outcome is null
    order by w.item
    for no key update;
    with ended as (
        update piton.waits w
        set outcome = 'woken', ended_at = now(), answered_by = wake.actor, role = session_user
        where w.run_id = found_run.id and w.stage = number and w.item = coalesce(wake.item, w.item) and w.kind = 'sleep'
          and w.outcome is null
        returning w.item
    ),
    noted as (
        insert into piton.audit (actor, verb, subject_kind, subject, detail)
        select wake.actor, 'wake', 'run', wake.run,
               jsonb_strip_nulls(jsonb_build_object('stage', wake.stage, 'item', wake.item, 'jobs', (select count(*) from ended)))
        where exists (select from ended)
    )
    select count(*) into woken from ended;
    if woken = 0 then
        raise exception 'nothing sleeps in stage "%" of run %', piton.quoted(stage), run
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'What it waits for: select * from piton.waits_overview where run = ' || quote_literal(run) || '.';
    end if;
    -- A statement of its own: it sees the jobs as they are, now that their waits are locked.
    update piton.jobs j set state = 'ready', since = now()
    from piton.waits w
    where w.run_id = found_run.id and w.stage = number and w.item = coalesce(wake.item, w.item) and w.outcome = 'woken'
      and j.run_id = w.run_id and j.id = w.job_id and j.stage = w.stage and j.item = w.item and j.state = 'waiting';
    perform piton.wake_workers();
    return woken;
end
$$;
comment on function piton.wake(uuid, text, integer, text) is 'Ends a sleep at once: of a stage, or of one item of it. Returns how many jobs go on. Raises where nothing sleeps there.';
