-- Stages may say how many of their attempts run at once on each worker.

alter table piton.stage_limits
    add column per_worker integer,
    add constraint stage_limits_per_worker_check check (per_worker > 0) not valid;
comment on column piton.stage_limits.per_worker is 'Attempts that may run at once on each worker; empty for no limit.';
