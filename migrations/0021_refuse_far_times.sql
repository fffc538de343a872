-- Times that come from outside lie between the years 1970 and 9999. What has none, such as infinity, stopped every statement that
-- reckons with the times of many rows.

-- First what is there already: a row that breaks a check could be neither claimed nor changed any more, and the statements that
-- try so do it for many rows at once. A job that was to start at the end of all times still does; a deadline that never comes
-- is none.
update piton.jobs set due_at = greatest(least(due_at, '9999-12-31 00:00:00+00'), '1970-01-01 00:00:00+00')
where due_at < '1970-01-01 00:00:00+00' or due_at >= '10000-01-01 00:00:00+00';
delete from piton.deadlines where at < '1970-01-01 00:00:00+00' or at >= '10000-01-01 00:00:00+00';

-- Not valid: for that no table is read under the lock. Two comparisons are what it costs a job that changes.
alter table piton.jobs
    add constraint jobs_due_at_check check (due_at >= '1970-01-01 00:00:00+00' and due_at < '10000-01-01 00:00:00+00') not valid;
alter table piton.runs
    add constraint runs_started_at_check check (started_at >= '1970-01-01 00:00:00+00' and started_at < '10000-01-01 00:00:00+00')
    not valid;
alter table piton.deadlines
    add constraint deadlines_at_check check (at >= '1970-01-01 00:00:00+00' and at < '10000-01-01 00:00:00+00') not valid;
alter table piton.batches
    add constraint batches_feed_at_check check (feed_at >= '1970-01-01 00:00:00+00' and feed_at < '10000-01-01 00:00:00+00') not valid;
alter table piton.retentions
    add constraint retentions_keep_limit_check check (keep <= interval '36525 days') not valid;

-- functions: 3c550432b0d365d3f4da3e2b8112f2cc01235c689f4628aae45a1b108fd88bb2
