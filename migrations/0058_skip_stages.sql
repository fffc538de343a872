-- Stages may be skipped: their checkpoint then has a reason in place of an output. The column comes without a default, so that no row is
-- rewritten; a Piton that does not know it never runs a workflow with conditions, because it cannot read its definition.

alter table piton.checkpoints add column skipped text;
alter table piton.past_checkpoints add column skipped text;
comment on column piton.checkpoints.skipped is 'Why the job was skipped; empty where it was done. The output of a skipped job is null (0 items for a fanned-out stage), and the digest is that of "skipped: " and the reason.';
comment on column piton.past_checkpoints.skipped is 'Why the job was skipped; empty where it was done.';


-- functions: ab3007a01c4b35ecc0a3b22fc0f32a5e89beab7c5b2c70d0c2a40777da32c98e
