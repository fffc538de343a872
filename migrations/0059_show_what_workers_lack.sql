-- What a worker lacks for a stage, where no workflow file names it: its artifact store, its temporary folder, a warm program that does
-- not start. Empty for boots of older versions, and where nothing is lacking.
alter table piton.workers add column shortages jsonb check (jsonb_typeof(shortages) = 'array');
comment on column piton.workers.shortages is 'What it lacks at the moment, beside what workflow files name: version, stage, lacks (in words). Empty where it has lacked nothing.';

-- functions: 3df5df83e9b9b38c571a1abf0fc14cb0acc4466e56b4a7e931bcca4a9d8d1c5b
