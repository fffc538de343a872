-- What is kept of a token. Digests are compared, so that the time a comparison takes tells nothing of the secret.
create or replace function piton.callback_digest(token text) returns bytea
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select sha256(convert_to(substring(callback_digest.token from '[^.]*$'), 'UTF8'))
$$;
comment on function piton.callback_digest(text) is 'For Piton itself: the digest of the secret in a token.';
