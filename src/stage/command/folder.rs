//! The folder of an attempt: what its program writes is there, and it is gone with the attempt.

use std::fs::{self, DirEntry, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

const PREFIX: &str = "piton-command-";
/// Locked for as long as the attempt lasts: the lock of a process that was killed is free.
const LOCK: &str = "lock";
/// One that was made just now may not be locked yet.
const YOUNG: Duration = Duration::from_secs(60);

pub(crate) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    pub(crate) fn make() -> io::Result<Folder> {
        // What a stage reads and writes is nobody else's on this machine, whatever the worker's umask.
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir()?;
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Folder { folder, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Deletes the folders of attempts whose worker was killed on this machine when nobody was left to do it.
pub(crate) fn delete_abandoned() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten().filter(is_abandoned) {
        match fs::remove_dir_all(entry.path()) {
            Ok(()) => tracing::debug!("deleted {}, which a killed worker had left", entry.path().display()),
            Err(error) => tracing::debug!("{} stays: {error}", entry.path().display()),
        }
    }
}

fn is_abandoned(entry: &DirEntry) -> bool {
    let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
    // Not what a link names: anybody may put one there.
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    is_ours && is_folder && is_old(entry) && !is_locked(&entry.path())
}

fn is_old(entry: &DirEntry) -> bool {
    let modified = entry.metadata().and_then(|about| about.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > YOUNG))
}

fn is_locked(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        // Killed before there was one; what cannot be looked into is somebody else's.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
