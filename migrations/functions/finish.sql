-- The caller's transaction holds the job's row from here on: whatever would end the attempt otherwise waits for its end, and a
-- session that stands still behind this call is ended.
create or replace function piton.finish(token text, output json) returns void
language plpgsql
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    parts constant text[] := regexp_match(token, '^(-?[0-9]{1,19})\.([0-9]{1,4})\.(-1|[0-9]{1,9})\.([0-9a-f]{32})$');
    given piton.finishes;
    said text;
    help text;
    code text;
begin
    if parts is null then
        raise exception 'this is no token of an attempt'
            using errcode = 'invalid_parameter_value',
                  hint = 'Pass the value of PITON_ATTEMPT_TOKEN as it is. A command has it where its stage says finish = true.';
    end if;
    if output is null then
        raise exception 'an attempt finishes with an output, which may be the JSON null, but not the NULL of SQL'
            using errcode = 'null_value_not_allowed', hint = 'Pass ''null''::json where there is nothing to return.';
    end if;
    select f.* into given
    from piton.finishes f
    where f.run_id = parts[1]::bigint and f.stage = parts[2]::smallint and f.item = parts[3]::integer
      and f.secret = sha256(convert_to(parts[4], 'UTF8'));
    if found then
        perform from piton.jobs j
        where j.run_id = given.run_id and j.id = given.job_id and j.stage = given.stage and j.item = given.item
          and j.attempt = given.attempt and j.worker_id = given.worker_id and j.token = given.token and j.state = 'running'
        for no key update;
    end if;
    if not found then
        raise exception 'this attempt is over: its job was given to another attempt, or its run has ended'
            using errcode = 'object_not_in_prerequisite_state', hint = 'Roll back and exit; nothing of it is kept.';
    end if;
    if octet_length(output::text) > given.most_bytes then
        raise exception 'the output has % bytes, over the limit of %', octet_length(output::text), given.most_bytes
            using errcode = 'program_limit_exceeded', hint = 'Keep big things in files or rows and hand on their names.';
    end if;
    begin
        perform piton.check_input(output);
    exception
        when program_limit_exceeded or untranslatable_character then
            get stacked diagnostics said = message_text, help = pg_exception_hint, code = returned_sqlstate;
            raise exception '%', replace(said, 'the run''s input', 'the output') using errcode = code, hint = help;
    end;
    update piton.finishes f
    set output = finish.output, digest = sha256(convert_to(finish.output::text, 'UTF8')), finished_at = now()
    where f.run_id = given.run_id and f.stage = given.stage and f.item = given.item and f.secret = given.secret
      and f.output is null;
    if not found then
        raise exception 'this attempt has finished already' using errcode = 'object_not_in_prerequisite_state',
            hint = 'Call piton.finish once, as the last statement before COMMIT.';
    end if;
    perform set_config('idle_in_transaction_session_timeout', '5s', true);
end
$$;
comment on function piton.finish(text, json) is 'Ends an attempt of a program with this output, in the caller''s transaction: its rows and the result are committed together, or neither is. Raises when the attempt is over. Call it last. The token is PITON_ATTEMPT_TOKEN.';
