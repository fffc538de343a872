-- A run can be a part of a trace that somebody else began. Most are not, and a row without one costs nothing more.
-- (Why the check is a function: 0002.)
create function piton.is_sound_trace(traceparent text, tracestate text) returns boolean
language plpgsql immutable parallel safe
as $$
begin
    return traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$' and traceparent !~ '^(00-0{32}|.{36}0{16})'
       and (tracestate is null or length(tracestate) <= 512 and tracestate ~ '^[ -~]+$');
end
$$;
comment on function piton.is_sound_trace(text, text) is 'What piton.runs checks of the trace that a run is part of. Part of the table: it changes by migrations.';
alter table piton.runs
    add column traceparent text,
    add column tracestate text,
    add constraint runs_traces_are_sound check (
        traceparent is null and tracestate is null or coalesce(piton.is_sound_trace(traceparent, tracestate), false));
comment on column piton.runs.traceparent is 'The W3C trace context it was started in: its stages are given the same trace id and flags. Empty where it was started in none.';
comment on column piton.runs.tracestate is 'What came with it for those who trace, passed on as it is.';
-- They know of traces now (migrations/functions).
drop function if exists piton.start_run(text, json, integer);
drop function if exists piton.start_runs(text, json[], integer);
drop function if exists piton.start_run_of(bigint, uuid, json, integer);

-- functions: d5128c68d47f6f3107e8bd99b778404b5b23307e2c59c73c848029bcbb62210e
