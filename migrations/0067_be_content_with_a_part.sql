-- A fanned-out stage may be content with a part of its items: what is given up of the others is tolerated, too.
comment on column piton.dead_letters.resolution is 'pending -> retried, or pending -> dismissed. tolerated -> retried, or tolerated -> dismissed: its stage is optional, or content with its other items, and its run went on without it.';

-- functions: 7039cfbfd3c04377a494208491e4b6748915a96573c4094d4e61d9dc23acacf0
