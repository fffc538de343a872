//! The folder of an attempt: its program writes there, and it is removed with the attempt.

use std::fs::{self, DirEntry, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::system::{regular, tree};

const PREFIX: &str = "piton-command-";
/// Where a path can be short, however long that of TMPDIR is.
const SHORT: &str = "/tmp";
/// Locked for as long as the attempt lasts: the lock of a process that was killed is free.
const LOCK: &str = "lock";
/// One that was made just now may not be locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Those that could not be deleted: to read a folder takes a descriptor.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: Option<File>,
}

impl Folder {
    pub(crate) fn make() -> io::Result<Folder> {
        Folder::make_in(&std::env::temp_dir())
    }

    /// One with a short path, for what can have no long one.
    pub(crate) fn make_short() -> io::Result<Folder> {
        Folder::make_in(Path::new(SHORT))
    }

    fn make_in(parent: &Path) -> io::Result<Folder> {
        // What a stage reads and writes is nobody else's on this machine, whatever the worker's umask.
        let private = Permissions::from_mode(0o700);
        let path = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent)?.keep();
        match lock(&path) {
            Ok(lock) => Ok(Folder { path, lock: Some(lock) }),
            Err(error) => {
                // Neither takes a descriptor, of which there may be none.
                fs::remove_file(path.join(LOCK)).ok();
                fs::remove_dir(&path).ok();
                Err(error)
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Its descriptor is one to read the folder with.
        drop(self.lock.take());
        delete(std::mem::take(&mut self.path));
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

fn delete(folder: PathBuf) {
    match tree::delete(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
        }
        Ok(()) | Err(_) => {}
    }
}

/// Makes a folder, writes into it, and deletes it again, as every attempt does; and deletes what could not be deleted before.
pub(crate) fn try_out() -> io::Result<()> {
    let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    left.into_iter().for_each(delete);
    let folder = Folder::make()?;
    fs::write(folder.path().join("tried"), [0; 4096])
}

/// Deletes the folders of attempts whose worker was killed on this machine when nobody was left to do it.
pub(crate) fn delete_abandoned() {
    let usual = std::env::temp_dir();
    delete_abandoned_in(&usual, YOUNG);
    if usual != Path::new(SHORT) {
        delete_abandoned_in(Path::new(SHORT), YOUNG);
    }
}

/// Looks for such folders at that interval: the files of a killed worker may be large, and it may never come back.
pub(crate) async fn keep_deleting_abandoned() {
    loop {
        tokio::time::sleep(YOUNG).await;
        // It does not panic.
        tokio::task::spawn_blocking(delete_abandoned).await.ok();
    }
}

/// Those in that folder that are so old.
pub(crate) fn delete_abandoned_in(folder: &Path, age: Duration) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| is_abandoned(entry, age)) {
        match tree::delete(&entry.path()) {
            Ok(()) => tracing::debug!("deleted {}, which a killed worker had left", entry.path().display()),
            Err(error) => tracing::debug!("{} stays: {error}", entry.path().display()),
        }
    }
}

/// Folders of attempts that are there and so old, whoever they belong to.
pub(crate) fn found_in(folder: &Path, age: Duration) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| is_of_an_attempt(entry) && is_old(entry, age)).map(|entry| entry.path()).collect()
}

fn is_abandoned(entry: &DirEntry, age: Duration) -> bool {
    is_of_an_attempt(entry) && is_our_users(entry) && is_old(entry, age) && !is_locked(&entry.path())
}

fn is_of_an_attempt(entry: &DirEntry) -> bool {
    let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
    // Not what a link names: anybody may put one there.
    is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// What somebody else has made may be changed while it is deleted.
fn is_our_users(entry: &DirEntry) -> bool {
    entry.metadata().is_ok_and(|about| about.uid() == rustix::process::geteuid().as_raw())
}

fn is_old(entry: &DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|about| about.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed >= age))
}

fn is_locked(folder: &Path) -> bool {
    match regular::open(&folder.join(LOCK)) {
        Ok(lock) => matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        // Killed before there was one; what cannot be looked into is somebody else's.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_has_left_is_deleted_and_what_a_live_one_uses_is_not() {
        let below = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let folder = below.path().join(format!("{PREFIX}{name}"));
            fs::create_dir_all(folder.join("inputs/make")).unwrap();
            fs::write(folder.join("inputs/make/large"), [0; 4096]).unwrap();
            folder
        };
        let (live, killed, early) = (made("live"), made("killed"), made("early"));
        let held = lock(&live).unwrap();
        drop(lock(&killed).unwrap());
        fs::create_dir(below.path().join("somebody else's")).unwrap();
        std::os::unix::fs::symlink(&live, below.path().join(format!("{PREFIX}link"))).unwrap();
        delete_abandoned_in(below.path(), Duration::from_secs(60));
        assert_eq!(found_in(below.path(), Duration::ZERO).len(), 3, "they are young");
        delete_abandoned_in(below.path(), Duration::ZERO);
        assert_eq!(found_in(below.path(), Duration::ZERO), [live.as_path()]);
        assert!(live.join("inputs/make/large").exists() && !killed.exists() && !early.exists());
        drop(held);
        delete_abandoned_in(below.path(), Duration::ZERO);
        assert!(!live.exists() && below.path().join("somebody else's").exists());
    }
}
