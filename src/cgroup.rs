//! The control group of this process: where Linux keeps its files, in cgroup v1 and v2.

use std::fs;
use std::path::{Path, PathBuf};

/// One kind of file, as the two versions of control groups call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File {
    pub(crate) v2: &'static str,
    pub(crate) v1: &'static str,
}

/// Folders of the memory of this process's group: its own one first, and then those around it.
pub(crate) fn memory_folders() -> Vec<Folder> {
    folders(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
}

/// A folder of the system's that may be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    path: PathBuf,
    is_v2: bool,
}

impl Folder {
    pub(crate) fn read(&self, file: File) -> Option<String> {
        fs::read_to_string(self.path.join(if self.is_v2 { file.v2 } else { file.v1 })).ok()
    }
}

/// Inside a container the group's path is often that of the host, and its files are at the top.
fn folders(groups: &str) -> Vec<Folder> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(kinds), Some(group)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (top, is_v2) = match kinds {
            "" if number == "0" => ("/sys/fs/cgroup", true),
            _ if kinds.split(',').any(|kind| kind == "memory") => ("/sys/fs/cgroup/memory", false),
            _ => continue,
        };
        let around = Path::new(group).ancestors().map(|group| group.strip_prefix("/").unwrap_or(group));
        folders.extend(around.map(|group| Folder { path: Path::new(top).join(group), is_v2 }));
    }
    folders
}

/// The number behind a word, in a file of a word and a number a line.
pub(crate) fn number(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_are_found_in_either_version_of_control_groups() {
        let either = "5:cpuset,memory:/jobs/a\n1:cpu:/\n0::/jobs/a\n";
        let found: Vec<String> = folders(either).iter().map(|f| f.path.to_string_lossy().into_owned()).collect();
        assert_eq!(
            found,
            [
                "/sys/fs/cgroup/memory/jobs/a",
                "/sys/fs/cgroup/memory/jobs",
                "/sys/fs/cgroup/memory/",
                "/sys/fs/cgroup/jobs/a",
                "/sys/fs/cgroup/jobs",
                "/sys/fs/cgroup/",
            ]
        );
    }

    #[test]
    fn a_number_is_found_behind_its_whole_word() {
        assert_eq!(number("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n", "oom_kill"), Some(2));
        assert_eq!(number("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", "oom_kill"), Some(7));
        assert_eq!(number("low 0\n", "oom_kill"), None);
    }
}
