//! Why a bench has no figures.

use std::process::ExitStatus;

use crate::store::StoreError;

/// Why a bench has no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bench's workflow has mistakes: {0}")]
    Workflow(String),
    #[error("a worker process cannot be {0}: {1}")]
    Process(&'static str, #[source] std::io::Error),
    #[error("a worker ended before its time ({0}); what it logged stands above")]
    WorkerEnded(ExitStatus),
    #[error("a worker did not shut down well ({0}); what it logged stands above")]
    WorkerFailed(ExitStatus),
    #[error("nothing moved for {0} s at {1} checkpoints; look at it with --keep, or log more with --log debug")]
    Stalled(u64, u64),
    #[error("the proof failed:\n  {0}\nThis should never be. Please report it, with the database that --keep keeps")]
    Unproved(String),
    #[error("a client that starts runs ended: {0}")]
    Client(String),
    #[error("the server ended the snapshot that was to be held, so there are no figures: {0}")]
    SnapshotLost(#[source] StoreError),
}
