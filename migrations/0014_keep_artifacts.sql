-- Files that stages made are kept in an artifact store; this is what is known of them.

-- A row is there before its file, so that no file is there that nobody knows of. The worker makes the id, for the address
-- holds it, and a row whose answer was lost is sent again.
create table piton.artifacts (
    id uuid primary key,
    run_id bigint not null,
    job_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    attempt integer not null check (attempt > 0),
    worker_id bigint not null,
    name text not null check (octet_length(name) between 1 and 200),
    type text not null default 'pending',
    declared text not null default 'output' check (declared ~ '^[a-z][a-z0-9_]{0,62}$'),
    address text not null check (address <> ''),
    bytes bigint check (bytes >= 0),
    digest bytea check (octet_length(digest) = 32),
    content_type text check (octet_length(content_type) between 1 and 255),
    created_at timestamptz not null default now(),
    check (declared not in ('pending', 'failed', 'orphan', 'dead_letter')),
    check ((bytes is null) = (digest is null)),
    -- Only what is whole is ever visible.
    check (type in ('pending', 'failed', 'orphan', 'dead_letter') or type = declared and digest is not null)
);
create index artifacts_of_a_run on piton.artifacts (run_id, stage, item, attempt);
create unique index artifacts_address on piton.artifacts (address);
create index artifacts_of_a_type on piton.artifacts (type, created_at);
comment on table piton.artifacts is 'Files that stages made. One is visible, under the type that it was given, from the commit of its attempt''s checkpoint on; before that it is pending, and what never gets there is failed or orphan.';
comment on column piton.artifacts.id is 'What people and references see: a UUIDv7.';
comment on column piton.artifacts.run_id is 'Its run.';
comment on column piton.artifacts.job_id is 'The branch that made it; with stage, item, attempt and boot, the claim that it hangs on.';
comment on column piton.artifacts.stage is 'Position of the stage in the definition.';
comment on column piton.artifacts.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.artifacts.attempt is 'The attempt that made it.';
comment on column piton.artifacts.worker_id is 'The boot that made it.';
comment on column piton.artifacts.name is 'Name that the stage gave it. A / parts folders.';
comment on column piton.artifacts.type is 'What it is kept as. pending: its attempt is under way; then what was declared (its attempt finished), failed (it failed, or the stage was done again since), or orphan (nobody will ever ask for it).';
comment on column piton.artifacts.declared is 'The type it has once it is visible: output, preview, temp, or a word of the stage''s own.';
comment on column piton.artifacts.address is 'Where it is in the artifact store.';
comment on column piton.artifacts.bytes is 'Its size; empty until it is whole.';
comment on column piton.artifacts.digest is 'SHA-256 of its bytes, verified whenever they are read; empty until it is whole.';
comment on column piton.artifacts.content_type is 'Media type, where the stage gave one.';
comment on column piton.artifacts.created_at is 'When it was announced, just before its first byte was written.';

-- functions: 6c17e82f15360949fbdea49099adcab0f4ce412fb473754bc5f681ccdde04e74
