//! Files from the artifact store that this worker has at hand, so that a file that a thousand items need is fetched once.

use std::collections::HashMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::statvfs;
use tokio::sync::OwnedMutexGuard;

use super::blocking::blocking;
use super::cached_file::{CachedFile, GivenFile, MODE};
use super::command::Folder;
use crate::artifacts::{Artifacts, Expected, FetchError};
use crate::meters::file_cache::{self, Request};
use crate::model::artifact::in_a_line;
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
    /// Locked while it is fetched: whoever needs the same file waits for it.
    file: Arc<tokio::sync::Mutex<Option<Arc<CachedFile>>>>,
    /// Its bytes on the disk, also while it is fetched.
    bytes: AtomicU64,
    used: AtomicU64,
}

/// Why a file was not given.
#[derive(Debug)]
pub(crate) enum GiveError {
    Fetch(FetchError),
    /// The cache's own folder.
    Folder(io::Error),
    /// The disk of that folder has no room for it.
    NoRoom {
        folder: PathBuf,
        needed: u64,
    },
}

impl FileCache {
    /// With room for that many bytes; a file that is larger is fetched for each attempt.
    pub(crate) fn of(most: u64) -> FileCache {
        FileCache { most, folder: tokio::sync::Mutex::default(), entries: Mutex::default(), clock: AtomicU64::new(0) }
    }

    /// What it has on the disk, or is about to.
    pub(crate) fn bytes(&self) -> u64 {
        self.entries().values().map(|entry| entry.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Puts the file at the address where nothing is yet.
    pub(crate) async fn give(
        &self,
        store: &Artifacts,
        address: &str,
        expected: Expected,
        to: &Path,
    ) -> Result<GivenFile, GiveError> {
        let folder = self.folder().await.map_err(GiveError::Folder)?;
        let digest = expected.digest.clone();
        let (entry, mut there) = self.entry(&digest).await;
        if let Some(file) = &*there {
            if let Some(given) = pass_on(file, to).await? {
                Request::Hit.count();
                return Ok(given);
            }
            delete(there.take(), &entry).await;
            let name = in_a_line(&expected.name);
            tracing::warn!(
                "`{name}` was changed on this worker's disk by something other than Piton, and is fetched anew"
            );
        }
        Request::Miss.count();
        let file = self.fetch(store, address, expected, folder.path(), &entry).await.inspect_err(|_| {
            entry.bytes.store(0, Ordering::Relaxed);
        })?;
        if file.bytes > self.most {
            // Whoever waits for it begins anew.
            self.entries().remove(&digest);
            let to = to.to_owned();
            return blocking(move || file.hand_over(&to)).await.map_err(GiveError::Folder);
        }
        let given = pass_on(&file, to).await;
        *there = Some(file);
        drop(there);
        self.keep_at_most(self.most).await;
        // Somebody was faster than the line before: a program of the same user that looks for such files.
        given?.ok_or_else(|| GiveError::Folder(io::Error::other("a file was changed while it was passed on")))
    }

    /// What was not used for longest goes first, so that disk and cache have room for it before its first byte is written.
    async fn fetch(
        &self,
        store: &Artifacts,
        address: &str,
        expected: Expected,
        folder: &Path,
        entry: &Entry,
    ) -> Result<Arc<CachedFile>, GiveError> {
        let (bytes, digest) = (expected.bytes, expected.digest.clone());
        if bytes <= self.most {
            self.keep_at_most(self.most - bytes).await;
        }
        if !has_room(folder, bytes).await {
            self.keep_at_most(0).await;
            if !has_room(folder, bytes).await {
                return Err(GiveError::NoRoom { folder: folder.to_owned(), needed: bytes });
            }
        }
        entry.bytes.store(bytes, Ordering::Relaxed);
        let begun = blocking({
            let folder = folder.to_owned();
            move || tempfile::Builder::new().prefix("fetched-").tempfile_in(folder)
        });
        let (file, path) = begun.await.map_err(GiveError::Folder)?.into_parts();
        store.fetch(address, expected, file).await.map_err(|error| match error {
            // Others write there, too.
            FetchError::Written(error) if error.kind() == io::ErrorKind::StorageFull => {
                GiveError::NoRoom { folder: folder.to_owned(), needed: bytes }
            }
            error => GiveError::Fetch(error),
        })?;
        file_cache::fetched(bytes);
        let cached = folder.join(digest::hex(&digest));
        let kept = blocking(move || {
            std::fs::set_permissions(&path, Permissions::from_mode(MODE))?;
            path.persist(&cached).map_err(|error| error.error)?;
            CachedFile::new(cached, bytes, digest)
        });
        Ok(Arc::new(kept.await.map_err(GiveError::Folder)?))
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

    /// What is known of the file, and its lock.
    async fn entry(&self, digest: &[u8]) -> (Arc<Entry>, OwnedMutexGuard<Option<Arc<CachedFile>>>) {
        loop {
            let entry = self.entries().entry(digest.to_owned()).or_default().clone();
            entry.used.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            let locked = entry.file.clone().lock_owned().await;
            // It may have been dropped for another one meanwhile.
            if self.entries().get(digest).is_some_and(|known| Arc::ptr_eq(known, &entry)) {
                return (entry, locked);
            }
        }
    }

    /// Deletes what was not used for longest until the rest fits. What attempts were given stays theirs, and what is just being
    /// fetched or passed on stays, too.
    async fn keep_at_most(&self, most: u64) {
        let mut known: Vec<(u64, Vec<u8>, Arc<Entry>)> = (self.entries().iter())
            .map(|(digest, entry)| (entry.used.load(Ordering::Relaxed), digest.clone(), entry.clone()))
            .collect();
        known.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
        let mut kept = 0u64;
        for (_, digest, entry) in known {
            let bytes = entry.bytes.load(Ordering::Relaxed);
            let fits = kept.saturating_add(bytes) <= most;
            let Ok(mut there) = entry.file.try_lock() else {
                kept = kept.saturating_add(bytes);
                continue;
            };
            if there.is_some() && fits {
                kept += bytes;
                continue;
            }
            if there.is_some() {
                file_cache::evicted();
            }
            delete(there.take(), &entry).await;
            self.entries().remove(&digest);
        }
    }
}

async fn pass_on(file: &Arc<CachedFile>, to: &Path) -> Result<Option<GivenFile>, GiveError> {
    let (file, to) = (file.clone(), to.to_owned());
    blocking(move || file.pass_on(&to)).await.map_err(GiveError::Folder)
}

async fn delete(file: Option<Arc<CachedFile>>, entry: &Entry) {
    entry.bytes.store(0, Ordering::Relaxed);
    let Some(file) = file else { return };
    let deleted = blocking(move || {
        file.delete();
        Ok(())
    });
    // It does not panic.
    deleted.await.ok();
}

/// Where the system does not say, the write does.
async fn has_room(folder: &Path, bytes: u64) -> bool {
    let folder = folder.to_owned();
    let free = blocking(move || Ok(statvfs(&folder)?));
    free.await.map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= bytes)
}
