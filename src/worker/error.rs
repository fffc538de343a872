//! Why a worker stopped without being asked to.

use super::sizing::NoRoom;
use crate::store::StoreError;
use crate::store::gone::SuspectedBoot;

/// Why a worker stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// A part of it panicked. Its jobs are freed by the other workers, or at its next start.
    #[error("the worker's {0} stopped; its jobs are recovered by the others or at the next start")]
    PartStopped(&'static str),
    /// Another process has its name, and lives.
    #[error(transparent)]
    NameTaken(#[from] NameTaken),
    /// It could not even work in one slot.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The database refused to register it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This worker was given up, and another process has taken its name since.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "worker `{name}` was given up, and its name is taken: process {pid} on host {host} has it and is alive. What ran here \
     was handed back. Give each worker a name of its own with --name, or none at all"
)]
pub(crate) struct NameTaken {
    name: String,
    host: String,
    pid: i32,
}

impl NameTaken {
    pub(super) fn by(other: &SuspectedBoot) -> NameTaken {
        NameTaken { name: other.name.clone(), host: other.process.host.clone(), pid: other.process.pid }
    }
}
