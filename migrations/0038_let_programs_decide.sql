-- Programs that have Piton as a library decide, too, and the audit says so.

alter table piton.audit
    drop constraint audit_face_check,
    add constraint audit_face_check check (face in ('sql', 'cli', 'api', 'library', 'worker')) not valid;
comment on column piton.audit.face is 'Where it was asked for: sql, cli, api, library (a program that has Piton as a library) or worker (nobody asked), as the setting piton.face of the transaction says; without one it is sql. Anybody can set it: what nobody can say is the role.';

-- What everybody's looks compare with the time.
alter table piton.workers
    add constraint workers_lease_check check (lease between interval '0' and interval '30 days') not valid,
    add constraint workers_last_seen_check check (isfinite(last_seen)) not valid;

-- functions: 337441fd219a7b416041d88444fc8b7e6c6fd590dc5e7b25a0b950546716d500
