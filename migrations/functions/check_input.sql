-- Repeats src/model/payload.rs for those who do not come through it. What costs more than a look at the text's length
-- comes behind a cheap sign that it may be needed.
create or replace function piton.check_input(input json) returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
    body text := input::text;
    plain text;
    wrong text;
    brackets text;
begin
    if octet_length(body) > 1048576 then
        raise exception 'the run''s input has % bytes, over the limit of 1048576', octet_length(body)
            using errcode = 'program_limit_exceeded', hint = 'Keep big things in files and hand on their names.';
    end if;
    if position('\u' in body) > 0 then
        -- Without what is right and looks as if it were not, each by as many blanks: escaped backslashes, surrogate pairs.
        plain := replace(body, '\\', '  ');
        plain := regexp_replace(plain, '\\u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}', repeat(' ', 12), 'g');
        wrong := substring(plain from '\\u(?:0000|[dD][89a-fA-F][[:xdigit:]]{2})');
        if wrong = '\u0000' then
            raise exception 'a string in the run''s input holds a NUL character (\u0000) at character %, which Postgres cannot keep', position(wrong in plain)
                using errcode = 'untranslatable_character', hint = 'Remove or encode it.';
        elsif wrong is not null then
            raise exception 'a string in the run''s input holds the lone surrogate % at character %, which is no character', wrong, position(wrong in plain)
                using errcode = 'untranslatable_character', hint = 'Write the whole pair, or remove it.';
        end if;
    end if;
    if length(body) > 200 and length(body) - length(translate(body, '[{', '')) > 100 then
        -- Without strings, and of the rest only the brackets. Each round takes the innermost pairs away: one level.
        brackets := regexp_replace(body, '"(?:[^"\\]|\\.)*"', '', 'g');
        brackets := translate(regexp_replace(brackets, '[^][{}]+', '', 'g'), '[]', '{}');
        for level in 1..100 loop
            exit when brackets = '';
            brackets := replace(brackets, '{}', '');
        end loop;
        if brackets <> '' then
            raise exception 'the run''s input has arrays and objects nested more than 100 deep'
                using errcode = 'program_limit_exceeded', hint = 'Make it flatter, or hand on the inner part as a string.';
        end if;
    end if;
end
$$;
comment on function piton.check_input(json) is 'Refuses what no run can be started on: more than 1 MiB, more than 100 levels, NUL characters, lone surrogates.';
