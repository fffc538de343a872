//! What wakes the claimer: jobs that are ready now, or due at a time this process knows of.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A due time that is known this closely is not told anew.
const GRAIN: Duration = Duration::from_millis(20);

/// Wakes the claimer. It sleeps without a limit: a look about once a second is the net under lost notifications.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    changed: Notify,
    ready: AtomicBool,
    due: Mutex<Option<Instant>>,
    /// Claims that were tried.
    rounds: AtomicU64,
}

impl Wake {
    /// Something is ready.
    pub(crate) fn now(&self) {
        self.ready.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// A claim was tried.
    pub(super) fn had_a_round(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a claim was tried, and whether something is ready that the claimer has not looked at.
    pub(crate) fn rounds(&self) -> (u64, bool) {
        (self.rounds.load(Ordering::Relaxed), self.ready.load(Ordering::Acquire))
    }

    /// Something is due after that wait.
    pub(crate) fn within(&self, wait: Duration) {
        let at = Instant::now() + wait;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|known| at + GRAIN < known) {
            *due = Some(at);
            drop(due);
            self.changed.notify_one();
        }
    }

    /// Whether the known due time has come; forgets it then.
    pub(super) fn is_due(&self) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let come = due.is_some_and(|at| at <= Instant::now());
        if come {
            *due = None;
        }
        come
    }

    /// Until something is ready or due.
    pub(super) async fn wait(&self) {
        while !self.ready.swap(false, Ordering::Acquire) {
            let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
            match due {
                None => self.changed.notified().await,
                Some(at) => {
                    if tokio::time::timeout_at(at.into(), self.changed.notified()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
