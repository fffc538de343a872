-- What every connection of the engine is set to: plans that do not change under it, and an isolation in which a row that
-- another one has just changed is looked at anew. It only makes Piton faster: behind a pooler the settings may be lost, and
-- everything still holds (a stricter isolation refuses statements, and they are sent again).
set plan_cache_mode = force_generic_plan;
set jit = off;
set enable_seqscan = off;
set enable_bitmapscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set default_transaction_isolation = 'read committed';
