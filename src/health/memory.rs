//! Memory: of this process' control groups, where they are limited, and of the machine.

use std::fs;

use crate::cgroup::{self, File, Folder};
use crate::model::health::{Finding, Measure};

const USED: File = File { v2: "memory.current", v1: "memory.usage_in_bytes" };
const LIMIT: File = File { v2: "memory.max", v1: "memory.limit_in_bytes" };
const KINDS: File = File { v2: "memory.stat", v1: "memory.stat" };

/// `None` where the system does not tell.
pub(super) fn check() -> Option<Finding> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine(&text));
    let groups = cgroup::memory_folders();
    let shares = groups.iter().filter_map(|group| Some((used(group)?, "of the control group"))).chain(machine);
    let (share, about) = shares.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(Finding { about: Some(about.to_owned()), ..Finding::value(Measure::MemoryUsed, share) })
}

/// What the kernel would give back at once is not used: files that nobody has touched lately.
fn used(group: &Folder) -> Option<f64> {
    let number = |file| group.read(file)?.trim().parse::<u64>().ok();
    // Without a limit version 2 says "max", and version 1 a number that no memory has.
    let limit = number(LIMIT).filter(|limit| *limit < 1 << 60)?;
    let kinds = group.read(KINDS).unwrap_or_default();
    let idle_files = ["total_inactive_file", "inactive_file"].iter().find_map(|kind| cgroup::number(&kinds, kind));
    Some(share(number(USED)?.saturating_sub(idle_files.unwrap_or(0)), limit))
}

fn machine(meminfo: &str) -> Option<(f64, &'static str)> {
    let of = |word| cgroup::number(&meminfo.replace(" kB", ""), word);
    let (total, available) = (of("MemTotal:")?, of("MemAvailable:")?);
    Some((share(total.saturating_sub(available), total), "of the machine"))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_memory_is_what_is_not_available() {
        let (used, _) = machine("MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n").unwrap();
        assert_eq!(used, 0.75);
        assert!(machine("MemTotal: 1000 kB\n").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_tells() {
        let (_, used) = check().unwrap().values[0];
        assert!(used > 0.0 && used <= 1.0, "{used}");
    }
}
