-- Several databases may share an artifact store: what each of them has there begins with an id of its own.
create table piton.identity (
    id uuid not null default gen_random_uuid(),
    one boolean primary key default true check (one)
);
insert into piton.identity default values;
comment on table piton.identity is 'One row: what tells this database from all others; see piton.store_owner.';
comment on column piton.identity.id is 'Drawn when the table was made.';
comment on column piton.identity.one is 'Always true: there is one row.';

-- A name is whatever a file can be called; older releases have held them to 200 bytes of ASCII.
alter table piton.artifacts
    drop constraint artifacts_name_check,
    add constraint artifacts_name_check check (octet_length(name) between 1 and 4096) not valid;

-- functions: 306ba97591a3b023a6c148d8be16ef6b3f53afa2b8e7361cfebd67f4a5dd142e
