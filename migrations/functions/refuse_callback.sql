create or replace function piton.refuse_callback() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'this token opens nothing: it is none, or what it was for is over'
        using errcode = 'no_data_found', hint = 'Pass it as it was handed out, the last part of the URL in the header piton-callback.';
end
$$;
comment on function piton.refuse_callback() is 'For Piton itself: raises what is said of a token that opens nothing, whatever the reason.';
