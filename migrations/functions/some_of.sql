create or replace function piton.some_of(names text[]) returns text
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select case when cardinality(names) > 4
                then array_to_string(names[1:3], ', ') || ' and ' || cardinality(names) - 3 || ' more'
                else array_to_string(names, ', ') end
$$;
comment on function piton.some_of(text[]) is 'Names as people say them, where there may be hundreds: the first of them, and how many more.';
