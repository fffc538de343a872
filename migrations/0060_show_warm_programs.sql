-- Which processes of warm stages a worker keeps. Empty for boots of older versions, and where there are none.
alter table piton.workers add column warm json check (json_typeof(warm) = 'array');
comment on column piton.workers.warm is 'Processes of warm stages that it keeps, as it last reported: workflow, stage, starting, idle, busy, stopping. Empty where there have been none.';

-- functions: 904166739029deb8d582aa50e978d899234a5ec34f0ae48db00bf80318ac4d00
