//! Files from the artifact store that this worker has at hand, so that a file that a thousand items need is fetched once.
//!
//! What attempts are given is a clone of a cached file where the file system makes clones, else a hard link, else a copy. A
//! program could write into a link, and so into the cached file (it is read-only, and root may all the same): so each cached file
//! has a modification time that no write leaves as it was, and one whose time or size is another is fetched anew.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::blocking::blocking;
use super::command::Folder;
use crate::artifacts::{Artifacts, Expected, FetchError};
use crate::model::digest;

/// Bytes that are kept where nobody says how many.
pub(crate) const DEFAULT_BYTES: u64 = 8 << 30;

/// The files that were fetched, by digest. They are in a folder for temporary files that goes with the worker; what a killed
/// one leaves is deleted by the next.
#[derive(Debug)]
pub(crate) struct FileCache {
    most: u64,
    folder: tokio::sync::Mutex<Option<Arc<Folder>>>,
    entries: Mutex<HashMap<Vec<u8>, Arc<Entry>>>,
    /// Goes up with each use.
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct Entry {
    /// Its bytes, once it is there. Locked while it is fetched: whoever needs the same file waits for it.
    bytes: tokio::sync::Mutex<Option<u64>>,
    used: AtomicU64,
}

/// Why a file was not given.
#[derive(Debug)]
pub(crate) enum GiveError {
    Fetch(FetchError),
    /// The cache's own folder.
    Folder(io::Error),
}

impl FileCache {
    /// With room for that many bytes; a file that is larger is fetched for each attempt.
    pub(crate) fn of(most: u64) -> FileCache {
        FileCache { most, folder: tokio::sync::Mutex::default(), entries: Mutex::default(), clock: AtomicU64::new(0) }
    }

    /// Puts the file at the address where nothing is yet.
    pub(crate) async fn give(
        &self,
        store: &Artifacts,
        address: &str,
        expected: Expected,
        to: &Path,
    ) -> Result<(), GiveError> {
        let folder = self.folder().await.map_err(GiveError::Folder)?;
        let cached = folder.path().join(digest::hex(&expected.digest));
        let entry = self.entry(&expected.digest);
        let mut there = entry.bytes.lock().await;
        if let Some(bytes) = *there
            && self.pass_on(&cached, bytes, to).await?
        {
            return Ok(());
        }
        *there = None;
        let bytes = expected.bytes;
        let fetched = fetch(store, address, expected, folder.path(), &cached).await?;
        if !fetched {
            return Err(GiveError::Folder(io::ErrorKind::NotFound.into()));
        }
        *there = Some(bytes);
        let given = self.pass_on(&cached, bytes, to).await;
        drop(there);
        self.make_room(folder.path()).await;
        match given? {
            true => Ok(()),
            // Somebody was faster than the next line: a program of the same user that looks for such files.
            false => Err(GiveError::Folder(io::Error::other("a file was changed while it was passed on"))),
        }
    }

    async fn folder(&self) -> io::Result<Arc<Folder>> {
        let mut folder = self.folder.lock().await;
        if let Some(folder) = &*folder {
            return Ok(folder.clone());
        }
        let made = Arc::new(blocking(Folder::make).await?);
        *folder = Some(made.clone());
        Ok(made)
    }

    /// Deletes all of it. What is asked for afterwards is fetched again.
    pub(crate) async fn clear(&self) {
        let folder = self.folder.lock().await.take();
        self.entries().clear();
        let deleted = blocking(move || {
            drop(folder);
            Ok(())
        });
        // It does not panic.
        deleted.await.ok();
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, digest: &[u8]) -> Arc<Entry> {
        let entry = self.entries().entry(digest.to_owned()).or_default().clone();
        entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        entry
    }

    /// `false` where the cached file is not what was put there.
    async fn pass_on(&self, cached: &Path, bytes: u64, to: &Path) -> Result<bool, GiveError> {
        let (cached, to) = (cached.to_owned(), to.to_owned());
        let passed = blocking(move || {
            if !is_untouched(&cached, bytes) {
                fs::remove_file(&cached).ok();
                return Ok(false);
            }
            same(&cached, &to)?;
            Ok(is_untouched(&to, bytes))
        });
        passed.await.map_err(GiveError::Folder)
    }

    /// Deletes what was not used for longest until the rest fits. What attempts were given stays theirs.
    async fn make_room(&self, folder: &Path) {
        let mut known: Vec<(u64, Vec<u8>, Arc<Entry>)> = (self.entries().iter())
            .map(|(digest, entry)| (entry.used.load(Ordering::Relaxed), digest.clone(), entry.clone()))
            .collect();
        known.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let mut kept = 0u64;
        for (_, digest, entry) in known {
            // One that is just being fetched or passed on counts the next time.
            let Ok(mut there) = entry.bytes.try_lock() else { continue };
            kept = kept.saturating_add(there.unwrap_or(0));
            if kept <= self.most {
                continue;
            }
            kept -= there.take().unwrap_or(0);
            let file = folder.join(digest::hex(&digest));
            blocking(move || {
                fs::remove_file(file).ok();
                Ok(())
            })
            .await
            .ok();
            self.entries().remove(&digest);
        }
    }
}

async fn fetch(
    store: &Artifacts,
    address: &str,
    expected: Expected,
    folder: &Path,
    cached: &Path,
) -> Result<bool, GiveError> {
    let folder = folder.to_owned();
    let begun = blocking(move || tempfile::Builder::new().prefix("fetched-").tempfile_in(folder));
    let (file, path) = begun.await.map_err(GiveError::Folder)?.into_parts();
    store.fetch(address, expected, file).await.map_err(GiveError::Fetch)?;
    let cached = cached.to_owned();
    let kept = blocking(move || {
        let file = File::options().write(true).open(&path)?;
        file.set_permissions(Permissions::from_mode(0o444))?;
        file.set_times(FileTimes::new().set_modified(made()))?;
        path.persist(&cached).map_err(|error| error.error)?;
        Ok(true)
    });
    kept.await.map_err(GiveError::Folder)
}

/// The modification time of every file that is handed out.
fn made() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

/// Whether nobody has written into it since it was put there.
pub(crate) fn is_untouched(path: &Path, bytes: u64) -> bool {
    let about = fs::symlink_metadata(path);
    about.is_ok_and(|about| {
        about.is_file() && about.len() == bytes && about.modified().is_ok_and(|modified| modified == made())
    })
}

/// The same file under another name.
fn same(from: &Path, to: &Path) -> io::Result<()> {
    if clone(from, to).is_ok() || fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)?;
    File::open(to)?.set_times(FileTimes::new().set_modified(made()))
}

/// A file of its own that shares its blocks with the other, where the file system can.
#[cfg(target_os = "linux")]
fn clone(from: &Path, to: &Path) -> io::Result<()> {
    let begun = PathBuf::from(to);
    let made = || {
        let into = File::options().write(true).create_new(true).open(&begun)?;
        rustix::fs::ioctl_ficlone(&into, File::open(from)?)?;
        into.set_permissions(Permissions::from_mode(0o444))?;
        into.set_times(FileTimes::new().set_modified(self::made()))
    };
    made().inspect_err(|error| {
        // Somebody else's stays.
        if error.kind() != io::ErrorKind::AlreadyExists {
            fs::remove_file(to).ok();
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn clone(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
