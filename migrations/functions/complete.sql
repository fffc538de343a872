create or replace function piton.complete(token text, output json, actor text default session_user) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    said text;
    help text;
    code text;
begin
    if output is null then
        raise exception 'a service completes with an output, which may be the JSON null, but not the NULL of SQL'
            using errcode = 'null_value_not_allowed', hint = 'Pass ''null''::json where there is nothing to return.';
    end if;
    begin
        perform piton.check_input(output);
    exception
        when program_limit_exceeded or untranslatable_character then
            get stacked diagnostics said = message_text, help = pg_exception_hint, code = returned_sqlstate;
            raise exception '%', replace(said, 'the run''s input', 'the output') using errcode = code, hint = help;
    end;
    perform piton.answer_callback(token, 'answered', output, actor);
end
$$;
comment on function piton.complete(text, json, text) is 'Ends the wait of a stage that asked a service, with this output, in the caller''s transaction. The first answer counts, also one that comes before the stage waits. The token is the last part of the URL in the header piton-callback, or PITON_CALLBACK_TOKEN. Raises where it opens nothing, or was answered before.';
