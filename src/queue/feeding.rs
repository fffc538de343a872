//! When to feed batches: when a look finds one due, or when a run has ended while some of their items have not started.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Wakes whoever feeds batches. Where every item of every batch has begun, the end of a run wakes nobody.
#[derive(Debug, Default)]
pub(crate) struct Feeding {
    some_wait: AtomicBool,
    wanted: Notify,
}

impl Feeding {
    /// What a look has found.
    pub(super) fn seen(&self, batches_due: Option<bool>) {
        self.some_wait.store(batches_due.is_some(), Ordering::Relaxed);
        if batches_due == Some(true) {
            self.now();
        }
    }

    /// A commit has ended runs: there may be room.
    pub(super) fn runs_ended(&self) {
        if self.some_wait.load(Ordering::Relaxed) {
            self.now();
        }
    }

    /// There is more to do.
    pub(crate) fn now(&self) {
        self.wanted.notify_one();
    }

    /// Until a feed is worth it.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
