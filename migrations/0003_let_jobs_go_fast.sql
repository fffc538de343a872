-- What the hot tables do for every stage, and what they need not do.

-- A foreign key is a look-up and a row lock for every job that is born or claimed. Every job is written by a statement
-- that has just locked its run; a claim locks its worker's row once, for all the jobs it takes (claim.sql).
alter table piton.jobs drop constraint jobs_run_id_fkey;
alter table piton.jobs drop constraint jobs_worker_id_fkey;

-- A finished run is one update of its row; with room on its page no index is touched.
alter table piton.runs set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- A boot ends first, so that it can claim nothing more, and its jobs are freed after: until that is done, every
-- recovery finds it here.
alter table piton.workers add column cleared boolean not null default false;
update piton.workers w set cleared = true
where stopped_at is not null
  and not exists (select from piton.jobs j where j.worker_id = w.id and j.state = 'running');
alter table piton.workers add constraint workers_cleared_check check (not cleared or stopped_at is not null);
create index workers_uncleared on piton.workers (id) where not cleared;
comment on column piton.workers.cleared is 'It has ended, and none of its jobs is left to be freed.';

comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: running on, or ready | retry: scheduled | end: no row).';
comment on column piton.jobs.due_at is 'When it may be claimed first; also its place in the queue. A branch keeps it from stage to stage, so that old runs finish first, until it has had so many stages in a row that it goes behind the others.';
