create or replace function piton.fail(
    token text, class text default 'unknown', message text default null, retry_after interval default null, actor text default session_user
) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    classes constant text[] := '{network_timeout, rate_limited, resource_unavailable, out_of_memory, unknown, invalid_input, auth_failure}';
    seconds double precision := extract(epoch from retry_after);
    payload json;
begin
    if not coalesce(class = any(classes), false) then
        raise exception '% is no class of failures', coalesce('"' || piton.quoted(class) || '"', 'NULL')
            using errcode = 'invalid_parameter_value', hint = 'The classes are ' || array_to_string(classes, ', ') || '.';
    end if;
    if seconds < 0 or seconds > 2592000 then
        raise exception 'a service is asked again after 30 days at most, and not %', retry_after using errcode = 'invalid_parameter_value',
            hint = 'Pass an interval such as ''30 s''.';
    end if;
    payload := json_build_object('class', class, 'message', left(coalesce(message, 'the service said that it failed'), 2000),
                                 'retry_after', seconds);
    perform piton.answer_callback(token, 'failed', payload, actor);
end
$$;
comment on function piton.fail(text, text, text, interval, text) is 'Says for a service that it has failed, with a class as stages fail with, in the caller''s transaction. The job is retried as after any failure: then the service is asked anew, with the same idempotency key and a new token.';
