-- Stages may be skipped: their checkpoint then has a reason in place of an output. The column comes without a default, so that no row is
-- rewritten; a Piton that does not know it never runs a workflow with conditions, because it cannot read its definition.

alter table piton.checkpoints add column skipped text;
alter table piton.past_checkpoints add column skipped text;
comment on column piton.checkpoints.skipped is 'Why the job was skipped; empty where it was done. The output of a skipped job is null (0 items for a fanned-out stage), and the digest is that of "skipped: " and the reason.';
comment on column piton.past_checkpoints.skipped is 'Why the job was skipped; empty where it was done.';

-- A dead letter of an optional stage is tolerated: nobody need decide about it, and it may be retried all the same.
alter table piton.dead_letters drop constraint dead_letters_resolution_check;
alter table piton.dead_letters add constraint dead_letters_resolution_check
    check (resolution in ('pending', 'tolerated', 'retried', 'dismissed')) not valid;
comment on column piton.dead_letters.resolution is 'pending -> retried, or pending -> dismissed. tolerated -> retried, or tolerated -> dismissed: its stage is optional, and its run went on without it.';

