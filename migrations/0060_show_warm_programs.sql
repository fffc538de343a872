-- Which processes of warm stages a worker keeps. Empty for boots of older versions, and where there are none.
alter table piton.workers add column warm json check (json_typeof(warm) = 'array');
comment on column piton.workers.warm is 'Processes of warm stages that it keeps, as it last reported: workflow, stage, starting, idle, busy, stopping. Empty where there have been none.';

-- functions: 02b117745dd46400cd843df59d0d78fe219c49d7b2c0a1a741e2164c14e47dde
