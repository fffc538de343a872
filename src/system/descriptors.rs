//! File descriptors: how many this process may have, how many it has, and which errors mean that there are none left.

use std::error::Error;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::resource::{self, out_of_descriptors};

/// Nobody needs more; where the hard limit is higher, tables of descriptors would only cost memory.
const MOST: u64 = 1 << 20;

/// Connections to what a worker serves, or fewer where it may have few descriptors.
const MOST_CLIENTS: usize = 64;

/// The soft limit that this process was started with: programs that it starts get it back, for some close or scan every
/// descriptor that they might have, and `select` takes none from 1024 on.
static AT_START: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the soft limit to the hard one. `before` is what the limit of this process was before one of its kind raised it.
pub(crate) fn raise(before: Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    AT_START.get_or_init(|| before.or(limit.current));
    let wanted = limit.maximum.map_or(MOST, |hard| hard.min(MOST));
    if limit.current.is_some_and(|soft| soft < wanted) {
        // A system that refuses leaves the limit as it is, and slots are sized to that.
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).ok();
    }
}

/// The soft limit as it was before it was raised; `None` where there was none.
pub(crate) fn at_start() -> Option<u64> {
    *AT_START.get_or_init(|| getrlimit(Resource::Nofile).current)
}

/// Sets the soft limit, for the program that this process is about to become.
pub(crate) fn set(soft: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(soft, |hard| hard.min(soft)));
    // It was in force before.
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).ok();
}

/// How many this process may have.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many it has; `None` where the system does not list them.
pub(crate) fn open() -> Option<u64> {
    // One of them is the list itself.
    Some((std::fs::read_dir("/dev/fd").ok()?.count() as u64).saturating_sub(1))
}

/// How many connections of clients a process has at most that may have so many.
pub(crate) fn for_clients(limit: u64) -> usize {
    usize::try_from(limit / 16).unwrap_or(usize::MAX).clamp(4, MOST_CLIENTS)
}

/// Whether none can be had at this moment.
pub(crate) fn are_used_up() -> bool {
    std::fs::File::open("/dev/null").is_err_and(|error| out_of_descriptors(&error).is_some())
}

/// Whether so many are in use that some attempt may have found none.
pub(crate) fn are_short() -> bool {
    open().is_none_or(|open| open.saturating_mul(2) >= limit())
}

/// Whether a read of it would not wait, be it that it has ended.
pub(crate) fn is_readable(descriptor: impl AsFd) -> bool {
    let mut ready = [PollFd::new(&descriptor, PollFlags::IN)];
    poll(&mut ready, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// Which kind of them there is none left of, as an error says, or what caused it.
pub(crate) fn lacking(error: &(dyn Error + 'static)) -> Option<resource::Resource> {
    let mut next = Some(error);
    while let Some(error) = next {
        next = match error.downcast_ref::<io::Error>() {
            // `source` would leave out what it wraps.
            Some(error) => match out_of_descriptors(error) {
                None => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                lacking => return lacking,
            },
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_through_whatever_wraps_it() {
        let full = || io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let of_process = Some(resource::Resource::Descriptors);
        assert_eq!(lacking(&full()), of_process);
        assert_eq!(lacking(&io::Error::other(full())), of_process);
        assert_eq!(lacking(&io::Error::other(sqlx::Error::Io(full()))), of_process);
        assert_eq!(lacking(&io::Error::other("Too many open files (os error 24)")), None, "words may be anybody's");
        assert_eq!(lacking(&io::Error::from(io::ErrorKind::NotFound)), None);
    }

    #[test]
    fn few_descriptors_are_few_connections() {
        assert_eq!([64, 256, 1024, u64::MAX].map(for_clients), [4, 16, 64, 64]);
    }

    #[test]
    fn the_list_of_descriptors_does_not_count_itself() {
        let Some(before) = open() else { return };
        let held: Vec<_> = (0..50).filter_map(|_| std::fs::File::open("/dev/null").ok()).collect();
        // Other tests open and close some meanwhile.
        let more = open().unwrap_or_default().abs_diff(before);
        assert!((30..=70).contains(&more) && held.len() == 50, "{more}");
    }
}
