//! How many slots this process has room for: each attempt needs descriptors, and their number is limited.

use super::{Role, WorkerSettings};
use crate::queue::catalog::Catalog;
use crate::store::Store;
use crate::system::descriptors;

/// Descriptors of an attempt at a program: the socket to its guard, two pipes, the lock of its folder, and a file that is kept.
const OF_A_PROGRAM: u64 = 5;
/// Of a warm program: the socket to its guard, two pipes, the lock of its folder, its connection, and the socket that it came through.
const OF_A_WARM_PROGRAM: u64 = 6;
/// Of another attempt: a connection, one that is kept open for the next request, and a file on its way into or out of the store.
const OF_ANOTHER: u64 = 4;
/// For what happens now and then, beside the attempts: programs that are just being started, checks of health, cleanup,
/// names that are looked up.
const SPARE: u64 = 24;

/// There is no room for a single slot.
#[derive(Debug, thiserror::Error)]
#[error(
    "this process may open {limit} files, and a worker with one slot needs {needed}: raise the limit (ulimit -n, \
     LimitNOFILE=, --ulimit nofile=)"
)]
pub(crate) struct NoRoom {
    limit: u64,
    needed: u64,
}

/// As many slots as were asked for and there is room for.
pub(super) fn slots(settings: &WorkerSettings, store: &Store, catalog: &Catalog) -> Result<usize, NoRoom> {
    let limit = descriptors::limit();
    // A process that runs suspects has one slot and serves nothing.
    let served = if settings.role == Role::Runner { 0 } else { descriptors::for_clients(limit) as u64 };
    let taken = descriptors::open().unwrap_or(SPARE) + store.descriptors_to_come() + served + SPARE;
    // They are there beside the attempts, also while they have no job.
    let taken = taken + OF_A_WARM_PROGRAM * catalog.warm_processes(settings.slots) as u64;
    let each = if catalog.has_commands() { OF_A_PROGRAM } else { OF_ANOTHER };
    let room = room(limit, taken, each)?;
    let slots = settings.slots.min(room);
    if slots < settings.slots {
        tracing::warn!(
            slots,
            of = settings.slots,
            "this process may open {limit} files, which is enough for {slots} of {} slots: raise the limit (ulimit -n, \
             LimitNOFILE=, --ulimit nofile=) for all of them",
            settings.slots
        );
    }
    Ok(slots)
}

fn room(limit: u64, taken: u64, each: u64) -> Result<usize, NoRoom> {
    let slots = limit.saturating_sub(taken) / each;
    if slots == 0 {
        return Err(NoRoom { limit, needed: taken + each });
    }
    Ok(usize::try_from(slots).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shared_out_and_too_little_is_said() {
        assert_eq!(room(1024, 124, OF_A_PROGRAM).unwrap(), 180);
        assert_eq!(room(u64::MAX, 124, OF_ANOTHER).unwrap() as u64, (u64::MAX - 124) / 4);
        assert_eq!(room(130, 124, OF_A_PROGRAM).unwrap(), 1);
        let said = room(32, 60, OF_A_PROGRAM).unwrap_err().to_string();
        assert!(
            said.starts_with("this process may open 32 files, and a worker with one slot needs 65: raise"),
            "{said}"
        );
    }
}
