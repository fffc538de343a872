-- A stage can be done again from its start. Its attempts are numbered from 1 again, so that what it did before moves out
-- of the way, and is kept.

create table piton.past_attempts (
    like piton.attempts including comments including constraints,
    dead_letter uuid not null,
    done_again_at timestamptz not null default now(),
    primary key (run_id, stage, item, dead_letter, attempt)
);
comment on table piton.past_attempts is 'Attempts that left no checkpoint, at jobs of stages that were done again after them.';
comment on column piton.past_attempts.dead_letter is 'The dead letter whose retry did the stage again.';
comment on column piton.past_attempts.done_again_at is 'When it was retried.';

create table piton.past_checkpoints (
    like piton.checkpoints including comments including constraints,
    dead_letter uuid not null,
    done_again_at timestamptz not null default now(),
    primary key (run_id, stage, item, dead_letter)
);
comment on table piton.past_checkpoints is 'What finished jobs had returned before their stage was done again. Nothing reads them but people.';
comment on column piton.past_checkpoints.dead_letter is 'The dead letter whose retry did the stage again.';
comment on column piton.past_checkpoints.done_again_at is 'When it was retried.';

alter table piton.dead_letters
    add column done_again boolean not null default false,
    add column input_before json,
    add constraint dead_letters_done_again_check check (not done_again or resolution <> 'pending'),
    drop constraint dead_letters_run_id_stage_item_attempt_key;
comment on column piton.dead_letters.done_again is 'Its stage was done again from its start, by the retry of this dead letter or of another one: its attempts are in piton.past_attempts.';
comment on column piton.dead_letters.input_before is 'The run''s input until this dead letter was retried with a corrected one.';
-- A job is one dead letter at a time, and of each of its attempts at most one.
drop index piton.dead_letters_pending;
create unique index dead_letters_pending on piton.dead_letters (run_id, stage, item) where resolution = 'pending';
create unique index dead_letters_of_a_job on piton.dead_letters (run_id, stage, item, attempt) where not done_again;

alter table piton.runs add column redone smallint[];
comment on column piton.runs.redone is 'How often each stage (element stage + 1) was begun anew: part of its idempotency key, so that a service does the work again. Empty where none was.';

drop function if exists piton.retry_dead_letter(uuid, text, text);
drop function if exists piton.retry_dead_letters(uuid[], text, text);
