-- A job under which a process died is suspected: it waits apart from the others, and runs in a process of its own.

alter table piton.jobs
    drop constraint jobs_state_check,
    drop constraint jobs_alone_check,
    add column deaths smallint not null default 0,
    add constraint jobs_state_check check (state in ('ready', 'running', 'scheduled', 'suspect')),
    -- What waits for its due time, or to run alone, holds up nobody else.
    add constraint jobs_alone_check check (state not in ('scheduled', 'suspect') or until = item + 1),
    add constraint jobs_deaths_check check (deaths >= 0 and (state <> 'suspect' or deaths > 0));
create index jobs_suspect on piton.jobs (workflow_id, due_at, id) where state = 'suspect';
comment on column piton.jobs.deaths is 'Processes that died under it at this stage and item. From the first on it runs alone; a few more convict it, an attempt that ends otherwise clears it.';
comment on column piton.jobs.state is 'scheduled -> ready -> running -> (next stage: running on, or ready | retry: scheduled | its process died: suspect | end: no row); suspect -> running, alone.';

-- functions: 11c03499d1781f39e0b0d388f171c2543ebe434dbec0065e24f5f707a0e3c5a3
