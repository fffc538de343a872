-- What every connection of Piton is set to. Behind a pooler the settings may be lost, and everything still holds.
-- A row that another transaction has just changed is looked at anew (a stricter isolation refuses statements, and they are sent again).
set default_transaction_isolation = 'read committed';
set jit = off;
-- Names mean what Piton means by them, whatever others have put into other schemas, and texts what they say.
set search_path = pg_catalog, pg_temp;
set standard_conforming_strings = on;
-- Piton knows for itself how long it waits: what a role or a database is given for people would end statements that must not end.
select set_config(name, '0', false) from pg_settings
where name in ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
  and setting <> '0';
-- What a database asks of its own functions while they are written is no matter of Piton's, which are written already.
set plpgsql.extra_errors = 'none';
set plpgsql.extra_warnings = 'none';
