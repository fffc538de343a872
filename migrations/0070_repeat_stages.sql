-- Stages may be done again, round after round, until their result is good enough. A round that is over is a row, and what its stages
-- did is kept in the tables of the past, as with stages that are done again for a dead letter.

create table piton.rounds (
    run_id bigint not null,
    stage smallint not null check (stage >= 0),
    id uuid not null,
    round integer not null check (round > 0),
    why text not null,
    ended_at timestamptz not null default now(),
    dead_letter uuid,
    primary key (run_id, stage, id)
);
-- The rounds that count: those that no redo has taken back.
create unique index rounds_in_order on piton.rounds (run_id, stage, round) where dead_letter is null;
comment on table piton.rounds is 'Rounds that were not good enough, so that another one began. The round that a run is in, or ended with, has no row.';
comment on column piton.rounds.run_id is 'Its run.';
comment on column piton.rounds.stage is 'Position of the stage that decides, the last one of the round.';
comment on column piton.rounds.id is 'Names it in piton.past_checkpoints and piton.past_attempts.';
comment on column piton.rounds.round is 'Number of the round, from 1.';
comment on column piton.rounds.why is 'Why it was not good enough.';
comment on column piton.rounds.ended_at is 'When it ended, and the next one began.';
comment on column piton.rounds.dead_letter is 'The dead letter whose retry began the rounds anew from 1; empty for rounds that count.';

alter table piton.past_checkpoints
    add column round uuid,
    drop constraint past_checkpoints_pkey,
    alter column dead_letter drop not null,
    add constraint past_checkpoints_why check ((dead_letter is null) <> (round is null)) not valid;
create unique index past_checkpoints_of_a_job on piton.past_checkpoints (run_id, stage, item, (coalesce(dead_letter, round)));
alter table piton.past_attempts
    add column round uuid,
    drop constraint past_attempts_pkey,
    alter column dead_letter drop not null,
    add constraint past_attempts_why check ((dead_letter is null) <> (round is null)) not valid;
create unique index past_attempts_of_a_job on piton.past_attempts (run_id, stage, item, (coalesce(dead_letter, round)), attempt);
comment on column piton.past_checkpoints.dead_letter is 'The dead letter whose retry did the stage again; empty where a round ended.';
comment on column piton.past_attempts.dead_letter is 'The dead letter whose retry did the stage again; empty where a round ended.';
comment on column piton.past_checkpoints.round is 'The round that it was part of, which was not good enough (piton.rounds.id); empty where a dead letter was retried.';
comment on column piton.past_attempts.round is 'The round that it was part of, which was not good enough (piton.rounds.id); empty where a dead letter was retried.';

-- What is past was held to the classes when it was not. The copies of the checks do not know of newer classes.
alter table piton.past_attempts drop constraint if exists attempts_class_check;
alter table piton.attempts
    drop constraint attempts_class_check,
    add constraint attempts_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'not_good_enough')) not valid;
alter table piton.dead_letters
    drop constraint dead_letters_class_check,
    add constraint dead_letters_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'not_good_enough')) not valid;

drop function if exists piton.move_to_the_past(bigint, uuid, smallint[], smallint, integer);

-- functions: 6c59534a167f2b572ae88b2c7d8a1a1fe4d7d506d68c95191a1d1cd90781e5ad
