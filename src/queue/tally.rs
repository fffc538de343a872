//! Counts of the queue's parts, from which it shows when one of them hangs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by whoever hands attempts over and whoever begins them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    handed_over: AtomicU64,
    begun: AtomicU64,
}

impl Tally {
    pub(super) fn is_handed_over(&self) {
        self.handed_over.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begins(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts that were handed over, and those of them that have begun.
    pub(crate) fn counts(&self) -> (u64, u64) {
        // In that order: what is handed over in between has not begun.
        let begun = self.begun.load(Ordering::Acquire);
        (self.handed_over.load(Ordering::Acquire), begun)
    }
}
