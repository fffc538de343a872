-- Lets the server notice within 15 s that this client is gone, so that its locks and what it was at end with it. Silent where
-- a setting is not known: `client_connection_check_interval` is of Postgres 14.
select set_config(name, value, false)
from (values ('tcp_keepalives_idle', '4'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
             ('tcp_user_timeout', '12000'), ('client_connection_check_interval', '5000')) as ours (name, value)
where name in (select s.name from pg_settings s where s.context = 'user');
