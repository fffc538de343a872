-- A copy of a database is another one, be it made from a template or from a dump: tables or the database itself have other oids
-- there. Where it took over from the first one, that costs nothing: addresses are kept whole, so that all artifacts are found.
create or replace function piton.store_owner() returns text
language sql stable
security definer set search_path = pg_catalog, pg_temp
as $$
    select left(encode(sha256(convert_to(
        concat_ws('/', i.id, d.oid, 'piton.artifacts'::regclass::oid), 'UTF8')), 'hex'), 32)
    from piton.identity i, pg_database d
    where d.datname = current_database()
$$;
comment on function piton.store_owner() is 'For Piton itself: the id under which this database has its files in an artifact store that it may share with others.';
