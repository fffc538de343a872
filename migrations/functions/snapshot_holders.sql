-- Whoever holds an old snapshot keeps dead rows of the queue from being cleaned up, wherever it works in this database.
create or replace view piton.snapshot_holders as
select 'session' as holder, a.pid::text as name, a.usename::text as username, a.application_name as application,
       a.client_addr::text as client, a.state, a.xact_start as since,
       extract(epoch from now() - a.xact_start)::float8 as age_seconds,
       greatest(age(a.backend_xmin), age(a.backend_xid)) as transactions, left(a.query, 200) as query
from pg_stat_activity a
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start is not null
  and (a.backend_xmin is not null or a.backend_xid is not null)
union all
select 'prepared', p.gid, p.owner::text, null, null, null, p.prepared,
       extract(epoch from now() - p.prepared)::float8, age(p.transaction), null
from pg_prepared_xacts p
where p.database = current_database()
union all
select 'slot', s.slot_name::text, null, s.plugin::text, null, case when s.active then 'active' else 'inactive' end, null,
       null, greatest(age(s.xmin), age(s.catalog_xmin)), null
from pg_replication_slots s
where s.xmin is not null or s.catalog_xmin is not null
union all
select 'standby', r.pid::text, r.usename::text, r.application_name, r.client_addr::text, r.state, null,
       null, age(r.backend_xmin), null
from pg_stat_replication r
where r.backend_xmin is not null;
comment on view piton.snapshot_holders is 'Who holds a snapshot right now, so that dead rows stay: claims go on, and tables grow. The role of the one who asks needs pg_monitor to see the sessions of other roles.';
comment on column piton.snapshot_holders.holder is 'session, prepared (a prepared transaction), slot (replication) or standby.';
comment on column piton.snapshot_holders.name is 'What to end it by: process id (pg_terminate_backend), name of the prepared transaction (rollback prepared), or name of the slot.';
comment on column piton.snapshot_holders.username is 'Its role.';
comment on column piton.snapshot_holders.application is 'Name of its application, or the plugin of the slot.';
comment on column piton.snapshot_holders.client is 'Address it is connected from.';
comment on column piton.snapshot_holders.state is 'What it does; "idle in transaction" waits for its client.';
comment on column piton.snapshot_holders.since is 'When its transaction began, where that is known.';
comment on column piton.snapshot_holders.age_seconds is 'Seconds since then.';
comment on column piton.snapshot_holders.transactions is 'Transactions that were begun since: what cannot be cleaned up.';
comment on column piton.snapshot_holders.query is 'The beginning of its last statement.';
