-- Which processes of warm stages a worker keeps. Empty for boots of older versions, and where there are none.
alter table piton.workers add column warm json check (json_typeof(warm) = 'array');
comment on column piton.workers.warm is 'Processes of warm stages that it keeps, as it last reported: workflow, stage, starting, idle, busy, stopping. Empty where there have been none.';

-- functions: f777aa813ef8a446fd12db2cec761f58a628a66d9651292a7a0ce300c3701c87
