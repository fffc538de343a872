-- The one rule of what is never deleted, for previews and for deletions.
create or replace function piton.protection(state text, held_by text) returns text
language sql immutable
as $$
    select case when state not in ('done', 'failed', 'cancelled') then 'its run is ' || state
                when held_by is not null then 'its run is held by ' || held_by end
$$;
comment on function piton.protection(text, text) is 'For Piton itself: why nothing of a run may be deleted; empty where it may.';
