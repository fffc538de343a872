//! What outlives a campaign: processes, found by a mark in their environment where there is /proc, and folders of attempts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::judge::Wrong;
use super::workload::MARK;
use crate::stage::command;

/// Workers look for folders of killed ones every minute, and leave those alone that are younger.
const DELETED_AFTER: Duration = Duration::from_secs(180);

/// Their ids and command lines.
pub(super) fn find(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let marked = processes.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let is_ours = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        is_ours.then(|| format!("{pid} {}", command.trim_end()))
    });
    marked.collect()
}

/// Folders in which attempts and workers have their files, once all workers have stopped: what killed ones left a while ago, and what
/// the next worker would not delete either.
pub(super) fn folders(below: &Path) -> Vec<Wrong> {
    let old = command::found_in(below, DELETED_AFTER);
    command::delete_abandoned_in(below, Duration::ZERO);
    let kept = command::found_in(below, Duration::ZERO);
    let old = old.into_iter().map(|folder| ("folders of attempts that no worker has deleted", folder));
    let kept = kept.into_iter().map(|folder| ("folders of attempts that no worker can delete", folder));
    old.chain(kept).map(|(what, folder)| (what, folder.display().to_string())).collect()
}
