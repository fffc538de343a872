//! Frees what dead workers held. Runs on every worker, at start and then about once a second, and may run on all at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::id::WorkerId;
use crate::store::workers::Suspect;
use crate::store::{Store, StoreError};

/// A session lock must be seen free for that long: a worker that only lost its connection takes it again sooner.
const LOCK_GRACE: Duration = Duration::from_millis(700);
/// The same, just after the database itself came back and everyone has lost their locks.
const LOCK_GRACE_AFTER_RESTART: Duration = Duration::from_secs(2);

/// Finds workers that are gone: the lease is over, or the session lock stays free.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    first_seen: HashMap<WorkerId, Instant>,
}

impl Recovery {
    /// One look. Returns how many jobs became claimable. A database error goes to the caller, who comes again.
    pub(crate) async fn look(&mut self, store: &Store, me: WorkerId, lease_ms: i64) -> Result<u64, StoreError> {
        let suspects = store.suspects(me, lease_ms).await?;
        self.first_seen.retain(|worker, _| suspects.iter().any(|s| s.worker == *worker));
        let mut freed = 0;
        for suspect in &suspects {
            let seen = *self.first_seen.entry(suspect.worker).or_insert_with(Instant::now);
            if !is_gone(suspect, seen.elapsed()) {
                continue;
            }
            let jobs = store.recover_worker(suspect, lease_ms).await?;
            freed += jobs;
            tracing::warn!(worker = suspect.name, boot = %suspect.worker, jobs, lease_over = suspect.lease_over,
                           "worker is gone, its jobs are claimable again");
        }
        Ok(freed)
    }
}

fn is_gone(suspect: &Suspect, seen_for: Duration) -> bool {
    let grace = if suspect.database_is_young { LOCK_GRACE_AFTER_RESTART } else { LOCK_GRACE };
    suspect.lease_over || seen_for >= grace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_lock_is_believed_after_its_grace_and_a_lease_at_once() {
        let suspect = |lease_over, database_is_young| Suspect {
            worker: WorkerId(1),
            name: "w".to_owned(),
            lease_over,
            database_is_young,
        };
        let second = Duration::from_secs(1);
        assert!(is_gone(&suspect(true, true), Duration::ZERO));
        assert!(!is_gone(&suspect(false, false), Duration::ZERO) && is_gone(&suspect(false, false), second));
        assert!(!is_gone(&suspect(false, true), second) && is_gone(&suspect(false, true), second * 2));
    }
}
