-- Programs that have Piton as a library decide, too, and the audit says so.

alter table piton.audit
    drop constraint audit_face_check,
    add constraint audit_face_check check (face in ('sql', 'cli', 'api', 'library', 'worker')) not valid;
comment on column piton.audit.face is 'Where it was asked for: sql, cli, api, library (a program that has Piton as a library) or worker (nobody asked), as the setting piton.face of the transaction says; without one it is sql. Anybody can set it: what nobody can say is the role.';

-- functions: fe361c24c1b93ef4eea3f852bd2aa8a6ef2cb897ebe29c11e52bbf72e9608ef5
