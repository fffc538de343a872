-- Which processes of warm stages a worker keeps. Empty for boots of older versions, and where there are none.
alter table piton.workers add column warm json check (json_typeof(warm) = 'array');
comment on column piton.workers.warm is 'Processes of warm stages that it keeps, as it last reported: workflow, stage, starting, idle, busy, stopping. Empty where there have been none.';

-- functions: b2136ec2c3bed662ccca40f5c1247168baa1ebe4849dbb342b229671212c1a9e
