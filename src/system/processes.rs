//! What the system says of processes, where it lists them: on Linux.

use std::fs;

use rustix::process::Pid;

/// Processes that this one has started or adopted, and that have not been waited for.
pub(crate) fn children(of: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero())) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(pid).collect::<Vec<_>>()).collect()
}

/// What it is called.
pub(crate) fn name(of: Pid) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{}/comm", of.as_raw_nonzero())).ok()?.trim_end().to_owned())
}

/// Resident bytes of a process and of all below it. Pages that they share count for each.
pub(crate) fn resident_bytes(of: Pid) -> u64 {
    let page = rustix::param::page_size() as u64;
    let (mut bytes, mut left) = (0u64, vec![of]);
    while let Some(pid) = left.pop() {
        let pages = fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero()));
        let pages = pages.ok().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        bytes = bytes.saturating_add(pages.unwrap_or_default().saturating_mul(page));
        left.extend(children(pid));
    }
    bytes
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use rustix::process::getpid;

    use super::*;

    #[test]
    fn a_process_is_found_below_its_parent_with_its_memory() {
        let own = getpid();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(children(own).contains(&pid));
        assert!(resident_bytes(own) > resident_bytes(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(own).contains(&pid));
        assert_eq!(resident_bytes(pid), 0);
    }
}
