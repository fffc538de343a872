-- A fanned-out stage may be content with a part of its items: what is given up of the others is tolerated, too.
comment on column piton.dead_letters.resolution is 'pending -> retried, or pending -> dismissed. tolerated -> retried, or tolerated -> dismissed: its stage is optional, or content with its other items, and its run went on without it.';

-- functions: b7f5717e716e7dce2b6c251c2f0f6ef3342075d260bf7755803f6d9696314acb
