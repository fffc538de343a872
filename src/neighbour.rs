//! Which process this is, and whether another one of this machine is alive. A worker's session or heartbeat may be wrong about
//! that; this is not.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::model::process::Process;

/// Place of the start among the numbers behind a process' name in `/proc/PID/stat`.
const START: usize = 19;

/// This very process, on a host of that name.
pub(crate) fn this(host: String) -> Process {
    let pid = std::process::id().cast_signed();
    Process { host, machine: machine(), pid, started: started(pid) }
}

/// Whether a process lives, as seen from another one; `None` where it cannot be seen from there.
pub(crate) fn lives(process: &Process, from: &Process) -> Option<bool> {
    match (&process.machine, &from.machine) {
        (Some(its), Some(ours)) if its == ours => Some(is_that_one(process)),
        (Some(_), _) => None,
        // A worker of an older version, or a system that tells little. That the number is not in use says nothing: it may be
        // of another namespace. Nor does our own number, which is not that worker's.
        (None, _) if process.host == from.host && process.pid != from.pid => is_there(process.pid).then_some(true),
        (None, _) => None,
    }
}

fn is_that_one(process: &Process) -> bool {
    let same = match (process.started, started(process.pid)) {
        (Some(then), Some(now)) => then == now,
        // Its start is hidden from us.
        (None, _) | (_, None) => true,
    };
    same && is_there(process.pid)
}

/// `false` also for a process that has ended and that nobody has waited for yet.
fn is_there(pid: i32) -> bool {
    // A row may hold any number; what is below 0 is no process, and rustix panics at it.
    let Some(pid) = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw) else { return false };
    match test_kill_process(pid) {
        // It is there, and belongs to somebody else.
        Ok(()) | Err(Errno::PERM) => !has_ended(pid),
        Err(_) => false,
    }
}

/// Its parent has not asked yet how it ended.
fn has_ended(pid: Pid) -> bool {
    stat(pid.as_raw_nonzero().get()).is_some_and(|stat| stat.starts_with(['Z', 'X']))
}

fn started(pid: i32) -> Option<i64> {
    stat(pid)?.split(' ').nth(START)?.parse().ok()
}

/// What stands behind the name, which may hold anything.
fn stat(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

/// Hosts share names, and containers share hosts: the start of the system and the namespace are one machine's alone.
fn machine() -> Option<String> {
    let system = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", system.trim(), namespace.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_has_ended() {
        let me = this("here".to_owned());
        assert_eq!(lives(&me, &me), Some(true));
        assert!(!is_there(0) && !is_there(i32::MAX));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        let other = Process { pid, started: None, ..me.clone() };
        // It ends, and nobody has waited for it.
        while lives(&other, &me) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(lives(&other, &me), Some(false));
    }

    #[test]
    fn a_number_that_came_again_is_another_process_and_a_foreign_one_is_not_seen() {
        let me = this("here".to_owned());
        let before = Process { started: me.started.map(|at| at - 1), ..me.clone() };
        assert_eq!(lives(&before, &me), Some(false));
        let elsewhere = Process { machine: Some("another".to_owned()), ..me.clone() };
        assert_eq!(lives(&elsewhere, &me), None);
        // Process 1 of another container on a host of the same name.
        let older = Process { machine: None, started: None, ..me.clone() };
        assert_eq!(lives(&older, &me), None);
        for pid in [i32::MAX, 0, -1, i32::MIN] {
            assert_eq!(lives(&Process { pid, ..older.clone() }, &me), None, "{pid}");
        }
    }
}
