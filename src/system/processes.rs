//! What the system says of processes, where it lists them: on Linux.

use std::fs;

/// Processes that this one has started or adopted, and that have not been waited for.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{of}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The process that waits for that one.
pub(crate) fn parent(of: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{of}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// What it is called.
pub(crate) fn name(of: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{of}/comm")).ok()?.trim_end().to_owned())
}

/// Resident bytes of a process and of all below it. Pages that they share count for each.
pub(crate) fn resident_bytes(of: u32) -> u64 {
    let page = rustix::param::page_size() as u64;
    let (mut bytes, mut left) = (0u64, vec![of]);
    while let Some(pid) = left.pop() {
        let pages = fs::read_to_string(format!("/proc/{pid}/statm"));
        let pages = pages.ok().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        bytes = bytes.saturating_add(pages.unwrap_or_default().saturating_mul(page));
        left.extend(children(pid));
    }
    bytes
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_found_below_its_parent_with_its_memory() {
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children(own).contains(&child.id()));
        assert_eq!(parent(child.id()), Some(own));
        assert!(resident_bytes(own) > resident_bytes(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children(own).contains(&child.id()));
        assert_eq!(resident_bytes(child.id()), 0);
    }
}
