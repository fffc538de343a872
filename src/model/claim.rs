//! A claim: one attempt at one job by one boot of one worker.

use chrono::{DateTime, Utc};

use super::id::{AttemptKey, VersionId, WorkerId};

/// What a worker holds while it runs an attempt; its commit lands only if all of it still holds (promise 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key: AttemptKey,
    pub(crate) version: VersionId,
    /// The boot that claimed it.
    pub(crate) worker: WorkerId,
    /// When it was claimed, by the database's clock.
    pub(crate) started_at: DateTime<Utc>,
}
