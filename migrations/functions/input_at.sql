-- An input from before lone surrogates were refused may hold one, and one row must not keep a statement from all others. Where
-- nothing is escaped nothing can be wrong, and no block has to be entered.
create or replace function piton.input_at(input json, path text[]) returns text
language plpgsql immutable parallel safe cost 500
set search_path = pg_catalog, pg_temp
as $$
begin
    if position('\u' in input::text) = 0 then
        return input #>> path;
    end if;
    begin
        return input #>> path;
    exception
        when data_exception then
            return null;
    end;
end
$$;
comment on function piton.input_at(json, text[]) is 'What stands at that place of a run''s input, as text; empty where nothing does.';
