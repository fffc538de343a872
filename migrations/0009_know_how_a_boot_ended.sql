-- Recovery is told afterwards: who ended a boot, and how its process ended, where that was seen.

alter table piton.workers
    add column ended_by bigint,
    add column exit text,
    add constraint workers_exit_check check (exit is null or stopped_at is not null);
comment on column piton.workers.ended_by is 'The boot that ended this one: itself where it drained, the new boot of its name, or the one that found it gone. Empty where that was asked for by hand, and while it lives.';
comment on column piton.workers.exit is 'How its process ended, where its parent saw it: "killed by SIGABRT". Only processes that run suspects have such a parent.';
comment on column piton.workers.stop_reason is 'drained: it shut down; superseded: a new boot took its name; lost: its process ended, or its lock or heartbeat was gone.';

-- Lost attempts are few among the others, and are asked for by their time.
create index attempts_lost on piton.attempts (ended_at) where outcome = 'lost';

-- functions: ecc7da76ff7ac30617a2176fe21f6541a9b5ec5362b90ebe1803bd5a670c3099
