//! This machine, and what its processes have used: from Linux' /proc, unknown elsewhere.

use std::fs;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::store::bench::ServerRow;

/// Where something was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) postgres: String,
    pub(crate) fsync: bool,
    pub(crate) synchronous_commit: String,
}

impl Machine {
    pub(crate) fn of(server: ServerRow) -> Machine {
        let ServerRow { version, fsync, synchronous_commit } = server;
        let memory_bytes = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemTotal:"));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Machine { cores, memory_bytes, postgres: version, fsync, synchronous_commit }
    }
}

/// Most memory a process ever had.
pub(crate) fn peak_memory(process: Pid) -> Option<u64> {
    kilobytes(&fs::read_to_string(format!("/proc/{}/status", process.as_raw_pid())).ok()?, "VmHWM:")
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// CPU time in seconds that ended children of this process have used, with all that they waited for.
pub(crate) fn children_cpu() -> Option<f64> {
    Some(Stat::of("self")?.reaped_s)
}

/// The postmaster above a session, if the server is on this machine: the session's process must be here under the title
/// that Postgres gives it, with its database in it.
pub(crate) fn postmaster(session: i32, database: &str) -> Option<u32> {
    session_stat(session, database).map(|stat| stat.parent)
}

/// CPU time in seconds of a session, if the server is on this machine.
pub(crate) fn session_cpu(session: i32, database: &str) -> Option<f64> {
    session_stat(session, database).map(|stat| stat.own_s)
}

fn session_stat(session: i32, database: &str) -> Option<Stat> {
    let title = fs::read(format!("/proc/{session}/cmdline")).ok()?;
    let title = String::from_utf8_lossy(&title);
    let is_it = title.starts_with("postgres") && title.split([' ', '\0']).any(|word| word == database);
    is_it.then(|| Stat::of(&session.to_string())).flatten()
}

/// CPU time in seconds of a server: its postmaster, every process under it, and every one that has ended.
pub(crate) fn server_cpu(postmaster: u32) -> Option<f64> {
    let own = Stat::of(&postmaster.to_string())?;
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let children = processes
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|pid| Stat::of(&pid))
        .filter(|stat| stat.parent == postmaster);
    Some(own.own_s + own.reaped_s + children.map(|child| child.own_s + child.reaped_s).sum::<f64>())
}

/// A line of /proc/PID/stat.
#[derive(Debug, Clone, PartialEq)]
struct Stat {
    parent: u32,
    own_s: f64,
    reaped_s: f64,
}

impl Stat {
    fn of(pid: &str) -> Option<Stat> {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, ticks)
    }

    fn parse(line: &str, ticks_per_s: f64) -> Option<Stat> {
        // The program's name stands in parentheses and may hold anything, also parentheses.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let seconds = |user: usize| Some((number(user)? + number(user + 1)?) as f64 / ticks_per_s);
        Some(Stat { parent: number(1)?.try_into().ok()?, own_s: seconds(11)?, reaped_s: seconds(13)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194560 10 20 0 0 150 50 300 100 20 0 1 0";
        assert_eq!(Stat::parse(line, 100.0), Some(Stat { parent: 7, own_s: 2.0, reaped_s: 4.0 }));
        assert_eq!(Stat::parse("nonsense", 100.0), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(kilobytes("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n", "VmHWM:"), Some(2 << 20));
    }
}
