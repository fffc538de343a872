//! How a child process ended, as its parent sees it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::cgroup::{self, File};
use crate::model::signal;

const SIGKILL: i32 = 9;

/// In words: `killed by SIGABRT`, `exited with 3`.
pub(super) fn words(status: ExitStatus, memory_was_short: bool) -> String {
    match (status.signal(), status.code()) {
        (Some(SIGKILL), _) if memory_was_short => "killed by SIGKILL, out of memory".to_owned(),
        (Some(number), _) => format!("killed by {}", signal::name(number)),
        (None, Some(code)) => format!("exited with {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// How many processes of this one's control group were killed so far because memory was short. `None` where the system
/// does not tell.
pub(super) fn out_of_memory_kills() -> Option<u64> {
    let kills = File { v2: "memory.events", v1: "memory.oom_control" };
    cgroup::memory_folders().iter().find_map(|folder| cgroup::number(&folder.read(kills)?, "oom_kill"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_told_in_words() {
        let told = |raw, short| words(ExitStatus::from_raw(raw), short);
        assert_eq!(told(6, true), "killed by SIGABRT");
        assert_eq!(told(9, false), "killed by SIGKILL");
        assert_eq!(told(9, true), "killed by SIGKILL, out of memory");
        assert_eq!(told(3 << 8, false), "exited with 3");
        assert_eq!(told(64, false), "killed by signal 64");
    }
}
