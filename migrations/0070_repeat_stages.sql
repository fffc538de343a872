-- Stages may be done again, round after round, until their result is good enough. A round that is over is a row, and what its stages
-- did is kept beside it.

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
comment on column piton.rounds.id is 'Names it in piton.round_checkpoints and piton.round_attempts.';
comment on column piton.rounds.round is 'Number of the round, from 1.';
comment on column piton.rounds.why is 'Why it was not good enough.';
comment on column piton.rounds.ended_at is 'When it ended, and the next one began.';
comment on column piton.rounds.dead_letter is 'The dead letter whose retry began the rounds anew from 1; empty for rounds that count.';

-- What their stages had done. Apart from what a redo takes back, which nothing but people reads.
create table piton.round_checkpoints (
    like piton.checkpoints including comments including constraints,
    round uuid not null,
    primary key (run_id, stage, item, round)
);
comment on table piton.round_checkpoints is 'What finished jobs had returned in rounds that are over. The round behind the last of them reads it, verified like any input.';
comment on column piton.round_checkpoints.round is 'Its round: piton.rounds.id.';

create table piton.round_attempts (
    like piton.attempts including comments including constraints,
    round uuid not null,
    primary key (run_id, stage, item, round, attempt)
);
comment on table piton.round_attempts is 'Attempts that left no checkpoint, in rounds that are over.';
comment on column piton.round_attempts.round is 'Its round: piton.rounds.id.';

-- What is past was held to the classes when it was not. The copies of the checks do not know of newer ones, such as wait_timeout.
alter table piton.past_attempts drop constraint if exists attempts_class_check;
alter table piton.round_attempts drop constraint if exists attempts_class_check;
alter table piton.attempts
    drop constraint attempts_class_check,
    add constraint attempts_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'child_failed', 'not_good_enough')) not valid;
alter table piton.dead_letters
    drop constraint dead_letters_class_check,
    add constraint dead_letters_class_check check (class in ('network_timeout', 'rate_limited', 'resource_unavailable', 'out_of_memory', 'unknown', 'invalid_input', 'auth_failure', 'crashed', 'corrupt_checkpoint', 'wait_timeout', 'child_failed', 'not_good_enough')) not valid;
