-- What a token opens, locked. Of one that opens nothing it is said only that: whether it never was one, is another's by now, or its
-- run has ended, is nobody's business who has none.
--
-- Locks: the run's row, shared, against those who decide about the run; then the callback, against those who begin a new wait.
create or replace function piton.callback_named(token text) returns piton.callbacks
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    parts constant text[] := regexp_match(token, '^(-?[0-9]{1,19})\.([0-9]{1,4})\.(-1|[0-9]{1,9})\.[0-9a-f]{32}$');
    opened piton.callbacks;
begin
    if parts[1]::numeric between -9223372036854775808 and 9223372036854775807 then
        perform from piton.runs r where r.id = parts[1]::bigint and r.state in ('running', 'blocked') for key share;
        if found then
            select c.* into opened from piton.callbacks c
            where c.run_id = parts[1]::bigint and c.stage = parts[2]::smallint and c.item = parts[3]::integer
              and c.digest = piton.callback_digest(token)
            for share;
        end if;
    end if;
    if opened.run_id is null then
        perform piton.refuse_callback();
    end if;
    return opened;
end
$$;
comment on function piton.callback_named(text) is 'For Piton itself: what a token opens, locked. Raises where it opens nothing.';
