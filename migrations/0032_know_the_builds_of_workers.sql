-- Of which build a worker is: a deploy that reached some of them only is seen.
alter table piton.workers add column build text;
comment on column piton.workers.build is 'Version of Piton in it, and when its program was written. Empty for boots of older versions.';

-- functions: d46c0620ceae09d131aed5806b2546b7dde0d4cdbdf0cdf2f468b42206dcc1b2
