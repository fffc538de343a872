-- What the engine's connections are set to beside what all are (session.sql): plans that do not change under it, for its
-- statements look rows up whatever the statistics of a queue say that is empty now and full a second later. It only makes Piton
-- faster: behind a pooler the settings may be lost, and everything still holds.
set plan_cache_mode = force_generic_plan;
set enable_seqscan = off;
set enable_bitmapscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
