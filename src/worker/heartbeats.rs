//! When the other workers last got a heartbeat of this one: with a look, or over its own session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the looks, which carry a heartbeat along for nothing, and by the session, which sends one where none has landed.
#[derive(Debug)]
pub(super) struct Heartbeats {
    lease: Duration,
    /// When the last one that landed was sent.
    sent: Mutex<Instant>,
    /// A look has told what this boot serves.
    introduced: AtomicBool,
}

impl Heartbeats {
    /// Registering counts as one.
    pub(super) fn new(lease: Duration) -> Heartbeats {
        Heartbeats { lease, sent: Mutex::new(Instant::now()), introduced: AtomicBool::new(false) }
    }

    /// Looks are never further apart, so that they can carry every heartbeat while they get through.
    pub(super) fn every(&self) -> Duration {
        self.lease / 5
    }

    /// A look takes one along: the first one of a boot, and later where it is time and looks are quick.
    pub(super) fn is_welcome(&self, looks_are_quick: bool) -> bool {
        let is_first = !self.introduced.load(Ordering::Relaxed);
        is_first || looks_are_quick && self.silent_for() >= self.every() / 2
    }

    /// One landed with a look.
    pub(super) fn landed_with_a_look(&self, sent: Instant) {
        self.introduced.store(true, Ordering::Relaxed);
        self.landed(sent);
    }

    /// The worker goes on as another boot.
    pub(super) fn begin_anew(&self) {
        self.introduced.store(false, Ordering::Relaxed);
    }

    /// How long until the session has to beat by itself.
    pub(super) fn due_in(&self) -> Duration {
        (self.lease / 4).saturating_sub(self.silent_for())
    }

    /// How long an answer may take before another connection is tried.
    pub(super) fn patience(&self) -> Duration {
        self.every().max(Duration::from_secs(1))
    }

    pub(super) fn landed(&self, sent: Instant) {
        let mut last = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(sent);
    }

    fn silent_for(&self) -> Duration {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
