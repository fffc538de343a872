create or replace function piton.heartbeat(token text, progress json default null) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    opened piton.callbacks;
    found_wait piton.waits;
begin
    if octet_length(progress::text) > 2000 then
        raise exception 'the progress has % bytes, over the limit of 2000', octet_length(progress::text)
            using errcode = 'program_limit_exceeded', hint = 'Say in a few words how far it is.';
    end if;
    if progress is not null then
        perform piton.check_input(progress);
    end if;
    opened := piton.callback_named(token);
    update piton.waits w
    set heard_at = now(), progress = coalesce(heartbeat.progress, w.progress),
        deadline = case when w.silence_ms is null then w.deadline
                        else least(w.latest, now() + w.silence_ms * interval '1 millisecond') end
    where w.run_id = opened.run_id and w.stage = opened.stage and w.item = opened.item and w.outcome is null;
    if not found then
        select w.* into found_wait from piton.waits w
        where w.run_id = opened.run_id and w.stage = opened.stage and w.item = opened.item;
        -- Where nobody waits yet, there is no time to be moved.
        if found then
            perform piton.refuse_callback();
        end if;
    end if;
end
$$;
comment on function piton.heartbeat(text, json) is 'Says for a service that it is still at work, and if it likes how far it is: a stage with `heartbeat` in its `wait` waits on. Raises where nobody waits any more: then the work is of no use.';
