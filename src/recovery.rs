//! Frees what dead workers held. Runs on every worker, at start and then about once a second, and may run on all at once.

use std::collections::HashSet;

use crate::model::id::WorkerId;
use crate::store::workers::Suspect;
use crate::store::{Store, StoreError};

/// Finds workers that are gone. One whose lease is over is gone; one whose session lock is free is gone when it still
/// is at the next look, so that a worker which only lost its connection can take the lock again.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    seen: HashSet<Suspect>,
}

impl Recovery {
    /// One look. Returns how many jobs became claimable. A database error goes to the caller, who comes again.
    pub(crate) async fn look(&mut self, store: &Store, me: WorkerId, lease_ms: i64) -> Result<u64, StoreError> {
        let suspects = store.suspects(me, lease_ms).await?;
        let mut freed = 0;
        for suspect in suspects.iter().filter(|s| s.lease_over || self.seen.contains(s)) {
            let jobs = store.recover_worker(suspect, lease_ms).await?;
            freed += jobs;
            tracing::warn!(worker = suspect.name, boot = %suspect.worker, jobs, lease_over = suspect.lease_over,
                           "worker is gone, its jobs are claimable again");
        }
        self.seen = suspects.into_iter().collect();
        Ok(freed)
    }
}
