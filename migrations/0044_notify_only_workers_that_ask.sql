-- Whoever makes work notifies only workers that ask for it (piton.wake_workers). Workers of older versions never ask.

alter table piton.workers add column only_listens boolean not null default true;
comment on column piton.workers.only_listens is 'It is of a Piton that does not ask for notifications, so that every start notifies it.';
create index workers_only_listening on piton.workers (id) where stopped_at is null and only_listens;
