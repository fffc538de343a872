-- A branch of a fanned-out stage does several items one after another: its row is handed on from item to item, as it is
-- from stage to stage, instead of a row that is born, claimed and deleted for every item.

-- A whole stage has none after it, and says so by default: until 0 behind item -1.
alter table piton.jobs add column until integer not null default 0;
update piton.jobs set until = item + 1 where item >= 0;
alter table piton.jobs add constraint jobs_until_check check (until > item and (item >= 0 or until = 0));
-- What waits for its due time holds up nobody else.
alter table piton.jobs add constraint jobs_alone_check check (state <> 'scheduled' or until = item + 1);
comment on column piton.jobs.until is 'First item that is not this branch''s any more: the items between begin after this one, each with attempts of its own. Item + 1 where none does.';
comment on table piton.jobs is 'The queue: one row per live branch of a run. The row moves from stage to stage, and from item to item, and is deleted at the end of its branch; it carries no payload.';
comment on column piton.jobs.item is 'Item of a fanned-out stage that is under way or next; -1 for a whole stage, also for a fanned-out one that is still to be split.';
