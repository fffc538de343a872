-- Who changed what, through which face: one row for every decision of a person or of a program that acts for one.
--
-- The rows are written by the functions of the verbs, in the transaction of the change, so that no face can forget one, and
-- none is there for a change that was rolled back. What happens by itself is not in here: attempts, recoveries and
-- workers have tables of their own. Nor is a run that is started: its row is its own record, and starting has to be fast.

create table piton.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    role text not null default session_user::text,
    face text not null default coalesce(nullif(current_setting('piton.face', true), ''), 'sql')
        check (face in ('sql', 'cli', 'api')),
    verb text not null check (verb ~ '^[a-z][a-z_]*$'),
    subject_kind text not null check (subject_kind ~ '^[a-z][a-z_]*$'),
    subject text not null,
    detail jsonb not null default '{}'
);
create index audit_at on piton.audit (at);
create index audit_subject on piton.audit (subject_kind, subject);
comment on table piton.audit is 'What people, and programs for them, have changed: select * from piton.audit order by at desc limit 20. Rows are added, and never changed or taken away.';
comment on column piton.audit.id is 'Counts up; rows of one transaction stand in its order.';
comment on column piton.audit.at is 'When the transaction of the change began.';
comment on column piton.audit.actor is 'Who decided, as the face says: a name from the command line, the name of a token, or whatever a statement gave; the database role where it gave nothing.';
comment on column piton.audit.role is 'The database role that the change was made with. Nobody can say another one.';
comment on column piton.audit.face is 'Where it was asked for: sql, cli or api. The setting piton.face of the transaction says it; without one it is sql.';
comment on column piton.audit.verb is 'What was done: retry, redo, correct_input, dismiss, force, recover.';
comment on column piton.audit.subject_kind is 'What it was done to: dead_letter, run or worker.';
comment on column piton.audit.subject is 'Id of the dead letter or the run, boot id of the worker.';
comment on column piton.audit.detail is 'More about it: the run, the reason, from where, what went with it. Never an input or an output.';

create function piton.refuse_change_of_audit() returns trigger
language plpgsql
as $$
begin
    raise exception 'rows of piton.audit are never changed or taken away'
        using errcode = 'object_not_in_prerequisite_state', hint = 'What was done is corrected by doing something else, which is a row of its own.';
end
$$;
comment on function piton.refuse_change_of_audit() is 'Keeps piton.audit as it was written. Part of the table: it changes by migrations.';
create trigger audit_is_kept before update or delete or truncate on piton.audit
    for each statement execute function piton.refuse_change_of_audit();

-- functions: 53833e0d10c21b95c70b929e11f04fc18b8f3e09b830ce08db817eca1cfa428c
