//! Counts the handlers of this process. They share it without asking their system for it, which would cost a look-up each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static BEGAN: OnceLock<Instant> = OnceLock::new();
static CALLS: AtomicU64 = AtomicU64::new(0);

/// A handler begins. Returns how many have begun before.
pub fn begin() -> u64 {
    BEGAN.get_or_init(Instant::now);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

/// When the first one began.
#[must_use]
pub fn first_began() -> Option<Instant> {
    BEGAN.get().copied()
}

/// How many have begun.
#[must_use]
pub fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}
