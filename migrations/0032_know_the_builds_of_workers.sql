-- Of which build a worker is: a deploy that reached some of them only is seen.
alter table piton.workers add column build text;
comment on column piton.workers.build is 'Version of Piton in it, and when its program was written. Empty for boots of older versions.';

-- functions: b902667a8fc42e2aca266cfd89dd3cad5dc94ba103a846e533de062bb8bdc788
