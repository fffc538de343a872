-- Whatever is told is kept for good, and shown in lists: a file that was given for a reason is refused before anything is done.
create or replace function piton.check_said(who text, why text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if length(who) > 200 then
        raise exception 'a name has 200 characters at most, and this one has %', length(who)
            using errcode = 'string_data_right_truncation', hint = 'Say who decides in fewer words: actor => ''anna''.';
    end if;
    if length(why) > 2000 then
        raise exception 'a reason has 2000 characters at most, and this one has %', length(why)
            using errcode = 'string_data_right_truncation', hint = 'Say it in a few words, and where more is to be found.';
    end if;
end
$$;
comment on function piton.check_said(text, text) is 'For Piton itself: refuses names and reasons that are too long to be kept and shown.';
