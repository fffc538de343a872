-- Repeats src/model/trace.rs for those who do not come through it, as trace_state.sql does.
create or replace function piton.trace_parent(traceparent text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if traceparent !~ '^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]*)?)$'
       or traceparent ~ '^(ff|00-.{32}-.{16}-..-|..-0{32}|.{36}0{16})' then
        raise exception '"%" is no traceparent', piton.quoted(traceparent)
            using errcode = 'invalid_parameter_value',
                  hint = 'It looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: version, trace id and parent id (small hexadecimal digits, not all of them 0), flags.';
    end if;
    -- Later versions begin as the first one, and flags without a meaning are not passed on.
    return '00' || substr(traceparent, 3, 51) || '0' || (('x0000000' || substr(traceparent, 55, 1))::bit(32)::integer & 3);
end
$$;
comment on function piton.trace_parent(text) is 'A traceparent of the W3C in the form in which it is kept; refuses what is none.';
