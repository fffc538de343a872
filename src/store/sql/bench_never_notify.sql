-- For a bench, in its own database: the functions that notify go on as they are, with a notification that does nothing.
create schema bench;
create function bench.pg_notify(channel text, payload text) returns void language sql as 'select';
do $$
declare
    notifying regprocedure;
begin
    for notifying in
        select p.oid from pg_proc p where p.pronamespace = 'piton'::regnamespace and p.prosrc ~ '\mpg_notify\M'
    loop
        -- A function that names the schema would go on notifying, and the measure would say what is not true.
        if pg_get_functiondef(notifying) ~ 'pg_catalog\.pg_notify' then
            raise exception 'function % names the schema of pg_notify', notifying;
        end if;
        execute format('alter function %s set search_path = bench, pg_catalog, pg_temp', notifying);
    end loop;
end
$$;
