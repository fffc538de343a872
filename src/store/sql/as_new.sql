-- What a stage may have done to the session of its transaction, undone: settings, locks, temporary tables, channels, cursors.
-- Not "discard all": the driver goes on using the statements that it has prepared.
set session authorization default;
reset all;
select pg_catalog.pg_advisory_unlock_all();
unlisten *;
close all;
discard temp;
discard sequences;
