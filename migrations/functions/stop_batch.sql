-- The batch's row first: whoever feeds it is through, or finds it cancelled. One that was cancelled before is gone on with
-- while runs of it are left.
create or replace function piton.stop_batch(batch text, reason text, actor text default session_user) returns bigint
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    known piton.batches;
begin
    perform piton.check_said(actor, reason);
    perform piton.check_reason(reason, 'a batch is cancelled', 'piton.cancel_batch(batch, ''why'')');
    select b.* into known from piton.batches b where b.id = piton.batch_named(batch) for no key update;
    if known.state = 'open' then
        perform piton.discard_batch(known.id);
        return null;
    end if;
    if known.state <> 'sealed' and not exists (
        select from piton.batch_items i join piton.runs r on r.uuid = i.run
        where i.batch_id = known.id and r.state in ('running', 'blocked')
    ) then
        raise exception 'batch "%" is % already', known.name, case known.state when 'cancelled' then 'cancelled' else 'over' end
            using errcode = 'object_not_in_prerequisite_state', hint = 'Nothing of it is left to be cancelled.';
    end if;
    update piton.batches b
    set state = 'cancelled', cancelled_by = stop_batch.actor, cancelled_at = now(), cancel_reason = reason
    where b.id = known.id and b.state <> 'cancelled';
    insert into piton.audit (actor, verb, subject_kind, subject, detail)
    select stop_batch.actor, 'cancel', 'batch', known.uuid, jsonb_build_object('name', known.name, 'reason', reason)
    where known.state <> 'cancelled';
    delete from piton.batch_places p where p.batch_id = known.id;
    return known.id;
end
$$;
comment on function piton.stop_batch(text, text, text) is 'For Piton itself: nothing more of a batch begins; its runs are cancelled next (piton.cancel_batch_runs). Returns its key; null where it was open, and is discarded.';
