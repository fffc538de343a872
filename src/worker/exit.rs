//! How a process of ours ended, as its parent sees it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

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
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    counters(&groups).iter().find_map(|path| count(&fs::read_to_string(path).ok()?))
}

/// Where the count may stand. Inside a container the group's path is often that of the host, and its files are at the top.
fn counters(groups: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(kinds), Some(group)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (top, file) = match kinds {
            "" if number == "0" => ("/sys/fs/cgroup", "memory.events"),
            _ if kinds.split(',').any(|kind| kind == "memory") => ("/sys/fs/cgroup/memory", "memory.oom_control"),
            _ => continue,
        };
        paths.push(format!("{top}{}/{file}", group.trim_end_matches('/')));
        paths.push(format!("{top}/{file}"));
    }
    paths
}

fn count(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
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

    #[test]
    fn the_count_is_found_in_either_version_of_control_groups() {
        let either = "5:cpuset,memory:/jobs/a\n1:cpu:/\n0::/jobs/a\n";
        assert_eq!(
            counters(either),
            [
                "/sys/fs/cgroup/memory/jobs/a/memory.oom_control",
                "/sys/fs/cgroup/memory/memory.oom_control",
                "/sys/fs/cgroup/jobs/a/memory.events",
                "/sys/fs/cgroup/memory.events",
            ]
        );
        assert_eq!(count("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count("low 0\n"), None);
    }
}
