-- Of which build a worker is: a deploy that reached some of them only is seen.
alter table piton.workers add column build text;
comment on column piton.workers.build is 'Version of Piton in it, and when its program was written. Empty for boots of older versions.';

-- functions: 163f4927b4cdd708451be8905a744f4964763cfea547fe509f9b416252855946
