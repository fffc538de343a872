-- Two roles that others may be given: piton_reader sees everything and changes nothing, piton_operator may also decide. Who
-- migrates without the right to create roles does without them, or creates them before and migrates again. Roles belong to
-- the whole server: another database may create them at this moment.
do $$
declare
    role text;
begin
    foreach role in array array['piton_reader', 'piton_operator'] loop
        begin
            if not exists (select from pg_roles r where r.rolname = role) then
                execute format('create role %I nologin', role);
            end if;
        exception
            when insufficient_privilege or duplicate_object or unique_violation then null;
        end;
    end loop;
    if exists (select from pg_roles r where r.rolname = 'piton_reader') then
        grant usage on schema piton to piton_reader;
        grant select on all tables in schema piton to piton_reader;
        alter default privileges in schema piton grant select on tables to piton_reader;
    end if;
    if exists (select from pg_roles r where r.rolname = 'piton_operator') then
        grant usage on schema piton to piton_operator;
        grant select, insert, update, delete on all tables in schema piton to piton_operator;
        grant usage on all sequences in schema piton to piton_operator;
        alter default privileges in schema piton grant select, insert, update, delete on tables to piton_operator;
        alter default privileges in schema piton grant usage on sequences to piton_operator;
        -- What belongs to the schema itself is for those who migrate.
        revoke insert, update, delete on piton.migrations, piton.function_set from piton_operator;
    end if;
end
$$;
