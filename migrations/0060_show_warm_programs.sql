-- Which processes of warm stages a worker keeps. Empty for boots of older versions, and where there are none.
alter table piton.workers add column warm json check (json_typeof(warm) = 'array');
comment on column piton.workers.warm is 'Processes of warm stages that it keeps, as it last reported: workflow, stage, starting, idle, busy, stopping. Empty where there have been none.';

-- functions: 2ff7dbd5efb66abd58a85065c88037410c1681aa5490c9ae99a8c92af1c9f33f
