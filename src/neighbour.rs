//! Whether a process of this machine lives. What its worker's session or heartbeat says of it may be wrong; this is not.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// `false` for one that has ended and was not waited for yet, as well.
pub(crate) fn lives(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    match test_kill_process(pid) {
        // It is there, and belongs to somebody else.
        Ok(()) | Err(Errno::PERM) => !has_ended(pid),
        Err(_) => false,
    }
}

/// Its parent has not asked yet how it ended.
#[cfg(target_os = "linux")]
fn has_ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The state comes behind the name, which may hold anything.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(not(target_os = "linux"))]
fn has_ended(_: Pid) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_has_ended() {
        assert!(lives(std::process::id().cast_signed()));
        assert!(!lives(0) && !lives(i32::MAX));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        // It ends, and nobody has waited for it.
        while lives(pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!lives(pid));
    }
}
