//! `postmaster.pid`, which outlives a killed server and may then name any process at all.

use super::error::EmbeddedError;
use super::folder::Folder;
use rustix::process::Pid;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whom `postmaster.pid` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// There is no such file: the server was stopped in peace.
    Nobody,
    /// A live server of this very data folder.
    OurServer(Pid),
    /// A process that is gone, a zombie, or a stranger who was given the number since.
    Stranger,
}

/// Reads `postmaster.pid` and looks at the process that it names.
pub(crate) fn named(folder: &Folder) -> Named {
    let Ok(text) = fs::read_to_string(path(folder)) else {
        return Named::Nobody;
    };
    match pid_in(&text) {
        Some(pid) if is_server_of(pid, &folder.data()) => Named::OurServer(pid),
        Some(_) | None => Named::Stranger,
    }
}

/// Whether `pid` is a live Postgres server that works on `data`.
pub(crate) fn is_server_of(pid: Pid, data: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_pid()));
    if Path::new("/proc/self/cmdline").exists() {
        // Both are empty or absent for a zombie. The folder is closed to root in some containers, the arguments are not.
        let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
        let works_in = fs::read_link(process.join("cwd")).ok();
        let names_data = arguments.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_bytes());
        return names_data || works_in.is_some_and(|cwd| Some(cwd) == data.canonicalize().ok());
    }
    let listing =
        Command::new("ps").args(["-ww", "-o", "stat=", "-o", "args=", "-p", &pid.as_raw_pid().to_string()]).output();
    let listing = listing.map(|output| output.stdout).unwrap_or_default();
    let listing = String::from_utf8_lossy(&listing);
    !listing.trim_start().starts_with('Z') && listing.contains(&*data.to_string_lossy())
}

/// Makes Postgres see a stale `postmaster.pid` for what it is: a server passes over a file that names its own parent (this
/// process), where it would refuse to start beside any other live process. What else the file holds stays, so that the
/// server still checks that nobody uses the old shared memory.
pub(crate) fn disarm(folder: &Folder) -> Result<(), EmbeddedError> {
    let path = path(folder);
    let text = fs::read_to_string(&path).map_err(EmbeddedError::file("read", &path))?;
    if text.is_empty() {
        // A power cut between its creation and its first line; Postgres would refuse it for ever.
        return fs::remove_file(&path).map_err(EmbeddedError::file("remove", &path));
    }
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    replace(&path, &format!("{}\n{rest}", std::process::id()))
}

/// Replaces a file as a whole, keeping owner and mode: cut short, it would keep the server from starting.
/// The folder is the server user's and we may be root, so no link that lies there is followed.
fn replace(path: &Path, text: &str) -> Result<(), EmbeddedError> {
    let new = path.with_extension("pid.new");
    let swap = || {
        let old = fs::symlink_metadata(path)?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        fchown(&file, Some(old.uid()), Some(old.gid()))?;
        fs::rename(&new, path)
    };
    swap().map_err(EmbeddedError::file("replace", path))
}

fn path(folder: &Folder) -> PathBuf {
    folder.data().join("postmaster.pid")
}

/// The first line; negative for a server without a postmaster.
fn pid_in(text: &str) -> Option<Pid> {
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    Pid::from_raw(number.checked_abs()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_process() {
        let number = |text: &str| pid_in(text).map(Pid::as_raw_pid);
        assert_eq!(number("4711\n/data\n1700000000\n"), Some(4711));
        assert_eq!(number("-4711\n"), Some(4711));
        assert_eq!([number(""), number("0\n"), number("x\n"), number("-2147483648\n")], [None; 4]);
    }

    #[test]
    fn a_process_that_does_not_work_on_the_data_is_a_stranger() {
        let us = Pid::from_raw(std::process::id().cast_signed());
        assert!(us.is_some_and(|us| !is_server_of(us, Path::new("/nowhere/pg15/data"))));
    }
}
