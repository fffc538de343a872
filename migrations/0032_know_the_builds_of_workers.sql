-- Of which build a worker is: a deploy that reached some of them only is seen.
alter table piton.workers add column build text;
comment on column piton.workers.build is 'Version of Piton in it, and when its program was written. Empty for boots of older versions.';

-- functions: 20f2267bbd72828ac30f1abe1b93e176ff81ba8845260a7ae4c62148655a3b0d
