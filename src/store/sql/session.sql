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
-- Names mean what Piton means by them, whatever others have put into other schemas, and texts what they say.
set search_path = pg_catalog, pg_temp;
set standard_conforming_strings = on;
-- Piton knows for itself how long it waits: what a role or a database is given for people would end statements that must not end.
select set_config(name, '0', false) from pg_settings
where name in ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
  and setting <> '0';
