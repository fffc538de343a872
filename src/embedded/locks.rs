//! The locked files through which clients and supervisor agree.
//!
//! The kernel lets go of them when their process ends, even by `kill -9`, and closes them in programs that the process starts.

use super::error::EmbeddedError;
use super::folder::Folder;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a lock that somebody else holds is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// Which of a cluster's lock files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock {
    /// Held alone while the server is started or stopped.
    Start,
    /// Shared by every client.
    Clients,
    /// Held alone by the supervisor.
    Supervisor,
}

/// A lock, held until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Closing the file would do, but not while a child that is just being started still shares it.
        // If this fails, closing is what is left to do.
        self.file.unlock().ok();
    }
}

impl Lock {
    fn open(self, folder: &Folder) -> Result<Held, EmbeddedError> {
        let name = match self {
            Self::Start => "start.lock",
            Self::Clients => "clients.lock",
            Self::Supervisor => "supervisor.lock",
        };
        Held::open(folder.base().join(name))
    }

    /// Takes the lock alone, if nobody holds it.
    pub(crate) fn try_alone(self, folder: &Folder) -> Result<Option<Held>, EmbeddedError> {
        let held = self.open(folder)?;
        let taken = held.file.try_lock();
        held.if_taken(taken)
    }

    /// Takes the lock beside others, if nobody holds it alone.
    pub(crate) fn try_shared(self, folder: &Folder) -> Result<Option<Held>, EmbeddedError> {
        let held = self.open(folder)?;
        let taken = held.file.try_lock_shared();
        held.if_taken(taken)
    }

    /// Whether nobody holds the lock.
    pub(crate) fn is_free(self, folder: &Folder) -> Result<bool, EmbeddedError> {
        Ok(self.try_alone(folder)?.is_some())
    }

    /// Takes the lock alone; blocks this thread until it can be had.
    pub(crate) fn wait_alone(self, folder: &Folder) -> Result<Held, EmbeddedError> {
        let held = self.open(folder)?;
        loop {
            match held.file.lock() {
                Ok(()) => return Ok(held),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(EmbeddedError::file("lock", &held.path)(error)),
            }
        }
    }
}

impl Held {
    fn open(path: PathBuf) -> Result<Self, EmbeddedError> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        Ok(Self { file: file.map_err(EmbeddedError::file("open", &path))?, path })
    }

    /// Takes a lock file that is no cluster's alone, if nobody holds it.
    pub(crate) fn try_alone_at(path: &Path) -> Result<Option<Self>, EmbeddedError> {
        let held = Self::open(path.to_path_buf())?;
        let taken = held.file.try_lock();
        held.if_taken(taken)
    }

    fn if_taken(self, taken: Result<(), TryLockError>) -> Result<Option<Self>, EmbeddedError> {
        match taken {
            Ok(()) => Ok(Some(self)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(EmbeddedError::file("lock", &self.path)(error)),
        }
    }

    /// Whether a shared lock is the last of its kind. The answer is the lock turned into one that is held alone, or lost:
    /// either way it is to be dropped next.
    pub(crate) fn is_last(&self) -> bool {
        self.file.try_lock().is_ok()
    }
}

/// Tries again until the lock is there or `limit` is over.
pub(crate) async fn within(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<Option<Held>, EmbeddedError>,
) -> Result<Option<Held>, EmbeddedError> {
    let begun = Instant::now();
    loop {
        match attempt()? {
            Some(held) => return Ok(Some(held)),
            None if begun.elapsed() >= limit => return Ok(None),
            None => tokio::time::sleep(RETRY).await,
        }
    }
}
