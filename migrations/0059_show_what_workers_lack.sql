-- What a worker lacks for a stage, where no workflow file names it: its artifact store, its temporary folder, a warm program that does
-- not start. Empty for boots of older versions, and where nothing is lacking.
alter table piton.workers add column shortages jsonb check (jsonb_typeof(shortages) = 'array');
comment on column piton.workers.shortages is 'What it lacks at the moment, beside what workflow files name: version, stage, lacks (in words). Empty where it has lacked nothing.';
