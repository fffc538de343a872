-- piton.changes tells what changed; and what people say for the record is bounded.

-- The functions of the verbs refuse such texts with a hint; this holds everyone else to it. Rows of older versions may have longer ones.
alter table piton.audit add constraint audit_actor_is_short check (length(actor) <= 200) not valid;
alter table piton.pauses add constraint pauses_texts_are_short check (length(paused_by) <= 200 and length(reason) <= 2000) not valid;
alter table piton.cancellations
    add constraint cancellations_texts_are_short check (length(cancelled_by) <= 200 and length(reason) <= 2200) not valid;
comment on column piton.audit.verb is 'What was done: deploy, rollback, pause, resume, retry, redo, correct_input, dismiss, force, recover, cancel, keep, hold, release, clean_up or forget.';
comment on column piton.audit.detail is 'More about it: the run, the reason, from where, what went with it, the limits that a version changed. Never an input or an output.';

-- The signature has changed (migrations/functions).
drop function if exists piton.resume(text, text, text);

-- functions: 7520fa03c2a8accea35edf17e30ffee6a3bf1fac40eb35d16e4cf2950f4ef49f
