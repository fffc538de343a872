-- The run's row first: a commit that would add a job to the run waits, and finds it ended.
create or replace function piton.dismiss_dead_letter(dead_letter uuid, reason text, actor text default session_user)
returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    letter piton.dead_letters;
    others uuid[];
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a dead letter is dismissed', 'piton.dismiss_dead_letter(id, ''why'')');
    -- Of one that is tolerated nothing of the run depends.
    with dismissed as (
        update piton.dead_letters d
        set resolution = 'dismissed', resolved_at = now(), resolved_by = dismiss_dead_letter.actor, note = reason
        where d.id = dismiss_dead_letter.dead_letter and d.resolution = 'tolerated'
        returning d.id, d.run_id
    )
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select dismiss_dead_letter.actor, 'dismiss', 'dead_letter', d.id,
           jsonb_build_object('run', r.uuid, 'reason', dismiss_dead_letter.reason, 'tolerated', true)
    from dismissed d join piton.runs r on r.id = d.run_id;
    if found then
        return;
    end if;
    -- Whose stage waits for this run comes first.
    perform from piton.runs p
    where p.id = (select r.parent_id from piton.dead_letters d join piton.runs r on r.id = d.run_id
                  where d.id = dismiss_dead_letter.dead_letter)
    for key share;
    perform from piton.runs r
    where r.id = (select d.run_id from piton.dead_letters d where d.id = dismiss_dead_letter.dead_letter)
      and r.state = 'blocked'
    for update;
    select d.* into letter from piton.dead_letters d
    where d.id = dismiss_dead_letter.dead_letter and d.resolution = 'pending';
    if not found then
        perform piton.refuse_dead_letter(dead_letter);
    end if;
    with dismissed as (
        update piton.dead_letters d
        set resolution = 'dismissed', resolved_at = now(), resolved_by = dismiss_dead_letter.actor,
            note = case when d.id = dismiss_dead_letter.dead_letter then reason
                        else 'its run ended with dead letter ' || dead_letter || ': ' || reason end
        where d.run_id = letter.run_id and d.resolution = 'pending'
        returning d.id
    )
    select array_agg(d.id order by d.id) into others from dismissed d where d.id <> letter.id;
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select dismiss_dead_letter.actor, 'dismiss', 'dead_letter', letter.id,
           jsonb_strip_nulls(jsonb_build_object('run', r.uuid, 'reason', dismiss_dead_letter.reason, 'with', others))
    from piton.runs r
    where r.id = letter.run_id;
    update piton.runs r
    set state = 'failed', finished_at = now(), failed_stage = letter.stage, failure_class = letter.class,
        failure_message = letter.message
    where r.id = letter.run_id;
    perform piton.cancel_jobs(letter.run_id);
    delete from piton.joins j where j.run_id = letter.run_id;
    perform piton.answer_parent(letter.run_id);
end
$$;
comment on function piton.dismiss_dead_letter(uuid, text, text) is 'Ends the run of a dead letter as failed, for a reason: its other jobs are cancelled, its other dead letters dismissed with it. Of a tolerated one nothing of the run depends.';
