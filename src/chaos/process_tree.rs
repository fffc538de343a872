//! A process and all its descendants, as /proc shows them; without /proc, the process alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Kills all of them at once, as the end of a control group does: frozen first, so that none starts another meanwhile, or
/// sees another's end.
pub(super) fn kill(root: Pid) {
    let mut frozen = BTreeSet::new();
    loop {
        let new: Vec<i32> = of(root).into_iter().filter(|pid| frozen.insert(*pid)).collect();
        if new.is_empty() {
            break;
        }
        new.into_iter().for_each(|pid| signal(pid, Signal::STOP));
    }
    frozen.into_iter().for_each(|pid| signal(pid, Signal::KILL));
}

/// One that has just ended needs no signal.
fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        kill_process(pid, signal).ok();
    }
}

fn of(root: Pid) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent_in(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut tree = vec![root.as_raw_pid()];
    let mut next = 0;
    while let Some(pid) = tree.get(next) {
        tree.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    tree
}

/// The state and the parent come behind the name, which may hold anything.
fn parent_in(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_parent_is_found_behind_whatever_name() {
        assert_eq!(parent_in("4711 (a) b (c) S 17 1 1 0"), Some(17));
        assert_eq!(parent_in(""), None);
    }

    #[test]
    fn children_of_children_die_along() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'sleep 600 & sleep 600' & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut said = shell.stdout.take().expect("its output");
        said.read_exact(&mut [0]).expect("it has begun");
        kill(Pid::from_child(&shell));
        shell.wait().expect("its end");
        // Each of them holds it open, as long as it lives.
        assert_eq!(said.read_to_end(&mut Vec::new()).expect("the end"), 0);
    }
}
