-- Fingerprints of older Pitons have 16 digits, and take several causes for one. Workers of the release before go on writing them
-- beside this one, so it is not enough to do this once.
create or replace function piton.renew_fingerprints(dead_letters uuid[], fingerprints text[]) returns bigint
language sql
security definer set search_path = pg_catalog, pg_temp
as $$
    with renewed as (
        update piton.dead_letters d set fingerprint = n.fingerprint
        from unnest(renew_fingerprints.dead_letters, renew_fingerprints.fingerprints) as n (id, fingerprint)
        where d.id = n.id and d.resolution = 'pending' and length(d.fingerprint) = 16
        returning 1
    )
    select count(*) from renewed
$$;
comment on function piton.renew_fingerprints(uuid[], text[]) is 'For Piton itself: gives dead letters that an older Piton wrote the fingerprints of this one. Returns how many.';
