-- The secret is not to be guessed from others: two rounds of SHA-256 with the database's own secret in front (as HMAC has it).
create or replace function piton.callback_token(run bigint, stage smallint, item integer, round integer) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select concat_ws('.', callback_token.run, callback_token.stage, callback_token.item,
                     substr(encode(sha256(k.secret || sha256(k.secret || convert_to(
                         concat_ws('.', r.uuid, callback_token.stage, callback_token.item,
                                   coalesce(r.redone[callback_token.stage + 1], 0), callback_token.round), 'UTF8'))), 'hex'), 1, 32))
    from piton.callback_key k, piton.runs r
    where r.id = callback_token.run
$$;
comment on function piton.callback_token(bigint, smallint, integer, integer) is 'For Piton itself: the token of that wait of a job. The same each time, for as long as the stage is not done again.';
