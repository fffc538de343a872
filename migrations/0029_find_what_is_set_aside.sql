-- no-transaction
-- Whoever lacks what one version of a stage needs walks over none of its jobs: they are found version by version.
create index concurrently if not exists jobs_set_aside on piton.jobs (limit_id, state, version_id, rank, due_at, id) where limit_id is not null
