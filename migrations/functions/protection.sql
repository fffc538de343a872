-- The one rule of what is never deleted, for previews and for deletions.
-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.protection(state text, held_by text) returns text
language sql immutable
as $$
    select case when state operator(pg_catalog.<>) all ('{done,failed,cancelled}'::pg_catalog.text[])
                then 'its run is ' operator(pg_catalog.||) state
                when held_by is not null then 'its run is held by ' operator(pg_catalog.||) held_by end
$$;
comment on function piton.protection(text, text) is 'For Piton itself: why nothing of a run may be deleted; empty if it may.';
