-- Of which build a worker is: a deploy that reached some of them only is seen.
alter table piton.workers add column build text;
comment on column piton.workers.build is 'Version of Piton in it, and when its program was written. Empty for boots of older versions.';

-- functions: b9260a077107e3d9189002313215d70adf82da5decb5dd7a6a97174ea30f66a9
