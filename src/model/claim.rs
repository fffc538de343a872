//! A claim: one attempt at one job by one boot of one worker.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::id::{AttemptKey, VersionId, WorkerId, WorkflowId};
#[cfg(any(test, feature = "testing"))]
use super::id::{ClaimToken, NO_ITEM, RunKey};
use super::lane::Spot;
use super::place::Place;

/// What a worker holds while it runs an attempt; its commit lands only if key and worker still hold (promise 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key: AttemptKey,
    /// First item that is not this branch's any more.
    pub(crate) until: i32,
    /// The queue it was claimed from.
    pub(crate) workflow: WorkflowId,
    pub(crate) version: VersionId,
    /// The boot that claimed it.
    pub(crate) worker: WorkerId,
    /// When it was claimed, by the database's clock.
    pub(crate) started_at: DateTime<Utc>,
    /// How long the job could have been claimed before that.
    pub(crate) waited: Duration,
    /// Where the job stood in the queue.
    pub(crate) place: Place,
    /// Stages and items that the branch did before this one without going back to the queue.
    pub(crate) in_a_row: u32,
}

impl Claim {
    pub(crate) fn spot(&self) -> Spot {
        Spot { stage: self.key.stage, item: self.key.item, until: self.until }
    }
}

#[cfg(any(test, feature = "testing"))]
impl Claim {
    /// Of an attempt that no database knows: its numbers mean nothing.
    pub(crate) fn made_up() -> Claim {
        Claim {
            key: AttemptKey { run: RunKey(1), job: 1, stage: 0, item: NO_ITEM, attempt: 1, token: ClaimToken(1) },
            until: 0,
            workflow: WorkflowId(1),
            version: VersionId(1),
            worker: WorkerId(1),
            started_at: DateTime::UNIX_EPOCH,
            waited: Duration::ZERO,
            place: Place { rank: 0, due_at: DateTime::UNIX_EPOCH },
            in_a_row: 0,
        }
    }
}
