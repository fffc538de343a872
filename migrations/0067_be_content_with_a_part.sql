-- A fanned-out stage may be content with a part of its items: what is given up of the others is tolerated, too.
comment on column piton.dead_letters.resolution is 'pending -> retried, or pending -> dismissed. tolerated -> retried, or tolerated -> dismissed: its stage is optional, or content with its other items, and its run went on without it.';

-- functions: b263087c70494da8638b10a87f624883b7bbf7ef85ebc4a391268a3c8aaa63c0
