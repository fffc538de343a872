create or replace function piton.check_reason(reason text, what text, example text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    perform piton.check_said(null, reason);
    if coalesce(reason, '') !~ '[^[:space:]]' then
        raise exception '% only for a reason, and none was given', what
            using errcode = 'invalid_parameter_value', hint = 'select ' || example || '.';
    end if;
end
$$;
comment on function piton.check_reason(text, text, text) is 'For Piton itself: refuses a decision without a reason.';
