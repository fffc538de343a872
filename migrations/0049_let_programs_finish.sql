-- A program commits rows of its own together with the result of its attempt: piton.finish.

create table piton.finishes (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    item integer not null check (item >= -1),
    job_id bigint not null,
    attempt integer not null check (attempt > 0),
    worker_id bigint not null,
    token bigint not null,
    secret bytea not null check (octet_length(secret) = 32),
    most_bytes integer not null check (most_bytes > 0),
    finished_at timestamptz,
    digest bytea check (octet_length(digest) = 32),
    output json,
    primary key (run_id, stage, item),
    check ((output is null) = (digest is null) and (output is null) = (finished_at is null))
);
comment on table piton.finishes is 'Attempts of programs that may end with piton.finish, and what they ended with. Without an output it is open: only the attempt that runs can fill it. With one it is the result of the job, whatever becomes of the attempt.';
comment on column piton.finishes.run_id is 'Its run.';
comment on column piton.finishes.stage is 'Position of the stage in the definition.';
comment on column piton.finishes.item is 'Item of a fanned-out stage; -1 for a whole stage.';
comment on column piton.finishes.job_id is 'Its job.';
comment on column piton.finishes.attempt is 'The attempt that may finish, or has finished.';
comment on column piton.finishes.worker_id is 'The boot that runs it.';
comment on column piton.finishes.token is 'Token of its claim: with job, stage, item, attempt and worker it is the fence.';
comment on column piton.finishes.secret is 'SHA-256 of the secret in the token that the program was given.';
comment on column piton.finishes.most_bytes is 'Limit of the output, as its worker was configured.';
comment on column piton.finishes.finished_at is 'When the program called piton.finish.';
comment on column piton.finishes.digest is 'SHA-256 of the output''s text, verified when it becomes the checkpoint.';
comment on column piton.finishes.output is 'What the program passed to piton.finish.';
