create or replace function piton.limit_words(stage_limit jsonb) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(concat_ws(', ',
        (stage_limit ->> 'concurrency') || ' at once',
        (stage_limit ->> 'per_worker') || ' on each worker',
        (stage_limit #>> '{rate,attempts}') || ' in '
        || piton.span_words((stage_limit #>> '{rate,period_ms}')::int8 * interval '1 millisecond')), ''), 'no limit')
$$;
comment on function piton.limit_words(jsonb) is 'For Piton itself: the limits of a stage, as piton.audit keeps them, in words.';
