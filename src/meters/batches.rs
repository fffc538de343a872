//! Counts of claims and commits: how long each took in the database, and how many jobs it covered.

use std::time::Duration;

use metrics::Histogram;

use super::catalog::{CLAIM_BATCH, CLAIM_DURATION, COMMIT_BATCH, COMMIT_DURATION};

/// The meters of one kind of batch.
#[derive(Debug, Clone)]
pub(crate) struct BatchMeters {
    duration: Histogram,
    size: Histogram,
}

impl BatchMeters {
    pub(crate) fn of_claims() -> BatchMeters {
        BatchMeters { duration: CLAIM_DURATION.histogram(&[]), size: CLAIM_BATCH.histogram(&[]) }
    }

    pub(crate) fn of_commits() -> BatchMeters {
        BatchMeters { duration: COMMIT_DURATION.histogram(&[]), size: COMMIT_BATCH.histogram(&[]) }
    }

    /// A statement was answered. One that found no job has no size.
    pub(crate) fn answered(&self, took: Duration, jobs: usize) {
        self.duration.record(took);
        if jobs > 0 {
            self.size.record(jobs as f64);
        }
    }
}
