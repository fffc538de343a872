//! Whether this worker is live, and ready: what probes go by.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;
use crate::meters::catalog::{LIVE, READY};

/// So long may a look at the database take that has not failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the parts of a worker say of it.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Beat>);

#[derive(Debug, Default)]
struct Beat {
    phase: Phase,
    /// When the database answered last; `None` after it did not.
    answered: Option<Instant>,
}

/// What the worker is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for its database, migrates, or registers.
    #[default]
    Starting,
    Claiming,
    /// It was asked to stop.
    Draining,
    /// A part of it has stopped by itself.
    Broken,
}

impl Pulse {
    pub(crate) fn enters(&self, phase: Phase) {
        lock(&self.0).phase = phase;
    }

    pub(crate) fn database_answered(&self, answered: bool) {
        lock(&self.0).answered = answered.then(Instant::now);
    }

    pub(super) fn show(&self) {
        let beat = lock(&self.0);
        let reached = beat.answered.is_some_and(|at| at.elapsed() < PATIENCE);
        let one_if = |is| if is { 1.0 } else { 0.0 };
        LIVE.gauge(&[]).set(one_if(beat.phase != Phase::Broken));
        READY.gauge(&[]).set(one_if(beat.phase == Phase::Claiming && reached));
    }
}
