-- Operators may answer for a service that cannot; readers see nothing of a token.
create or replace function piton.callback_token_of(run uuid, stage text, item integer default null) returns text
language plpgsql stable
security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_token text;
begin
    select piton.callback_token(c.run_id, c.stage, c.item, c.round) into found_token
    from piton.runs r
    join piton.stage_names s on s.version_id = r.version_id and s.name = callback_token_of.stage
    join piton.callbacks c on c.run_id = r.id and c.stage = s.stage and c.item = coalesce(callback_token_of.item, -1)
    where r.uuid = callback_token_of.run and r.state in ('running', 'blocked');
    if not found then
        raise exception 'no service is asked by stage "%"% of run %', piton.quoted(stage), coalesce(', item ' || item, ''), run
            using errcode = 'no_data_found', hint = 'What runs wait for: select * from piton.waits_overview.';
    end if;
    return found_token;
end
$$;
comment on function piton.callback_token_of(uuid, text, integer) is 'The token that the service of a stage answers with, for whoever answers in its place with piton.complete or piton.fail.';
