-- Programs that have Piton as a library decide, too, and the audit says so.

alter table piton.audit
    drop constraint audit_face_check,
    add constraint audit_face_check check (face in ('sql', 'cli', 'api', 'library', 'worker')) not valid;
comment on column piton.audit.face is 'Where it was asked for: sql, cli, api, library (a program that has Piton as a library) or worker (nobody asked), as the setting piton.face of the transaction says; without one it is sql. Anybody can set it: what nobody can say is the role.';

-- functions: 39224fc6e94a343caaf8c0c01d72b6baabf8f92b0a83bde4ad61972c4aa745c6
