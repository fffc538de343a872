-- Programs that have Piton as a library decide, too, and the audit says so.

alter table piton.audit
    drop constraint audit_face_check,
    add constraint audit_face_check check (face in ('sql', 'cli', 'api', 'library', 'worker')) not valid;
comment on column piton.audit.face is 'Where it was asked for: sql, cli, api, library (a program that has Piton as a library) or worker (nobody asked), as the setting piton.face of the transaction says; without one it is sql. Anybody can set it: what nobody can say is the role.';

-- functions: 5e930e2927614d3896c52f5288f1f36a913a02c142f7a1e4fd64db794b1178f5
