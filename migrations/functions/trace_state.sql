create or replace function piton.trace_state(tracestate text, traceparent text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    if tracestate = '' then
        return null;
    end if;
    if traceparent is null then
        raise exception 'there is a tracestate, and no traceparent that it belongs to'
            using errcode = 'invalid_parameter_value', hint = 'Pass both of them on, or none.';
    end if;
    if length(tracestate) > 512 or tracestate !~ '^[ -~]+$' or tracestate !~ '^([^,=]+=[^,=]+| *)(,([^,=]+=[^,=]+| *))*$' then
        raise exception 'this tracestate cannot be passed on'
            using errcode = 'invalid_parameter_value',
                  hint = 'It is a list like rojo=00f067aa0ba902b7,congo=t61rcWkgMzE in printable ASCII, of at most 512 characters.';
    end if;
    return tracestate;
end
$$;
comment on function piton.trace_state(text, text) is 'A tracestate of the W3C as it is kept; refuses what cannot be passed on, and one without its traceparent.';
