-- Put into the statement that calls it, which a pinned search_path would prevent: so each name in it says its schema.
create or replace function piton.is_sound_stage_times(measured piton.stage_times) returns boolean
language sql stable parallel safe
as $$
    select piton.is_measure(measured.attempts) and piton.is_measure(measured.seconds) and piton.is_measure(measured.jobs)
           and piton.is_measure(measured.splits) and piton.is_measure(measured.items)
$$;
comment on function piton.is_sound_stage_times(piton.stage_times) is 'For Piton itself: whether all values of that row can be calculated with.';
