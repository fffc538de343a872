//! Whether this worker is live and ready, for probes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock::lock;
use crate::meters::catalog::{LIVE, READY};

/// So long may a look at the database take that has not failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the parts of a worker say of it.
#[derive(Debug, Default)]
pub(crate) struct Liveness(Mutex<Beat>);

#[derive(Debug, Default)]
struct Beat {
    phase: Phase,
    /// When the database answered last; `None` after it did not.
    answered: Option<Instant>,
    /// What stands still that should not.
    stuck: Option<&'static str>,
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

impl Liveness {
    pub(crate) fn enters(&self, phase: Phase) {
        lock(&self.0).phase = phase;
    }

    pub(crate) fn database_answered(&self, answered: bool) {
        lock(&self.0).answered = answered.then(Instant::now);
    }

    /// Whether something in this process stands still. `true` when that is another answer than before.
    pub(super) fn is_stuck(&self, what: Option<&'static str>) -> bool {
        let mut beat = lock(&self.0);
        std::mem::replace(&mut beat.stuck, what) != what
    }

    /// `has_all` is whether this worker lacks nothing of what stages need.
    pub(super) fn show(&self, has_all: bool) {
        let beat = lock(&self.0);
        let reached = beat.answered.is_some_and(|at| at.elapsed() < PATIENCE);
        let one_if = |is| if is { 1.0 } else { 0.0 };
        let is_live = beat.phase != Phase::Broken && beat.stuck.is_none();
        LIVE.gauge(&[]).set(one_if(is_live));
        READY.gauge(&[]).set(one_if(is_live && beat.phase == Phase::Claiming && reached && has_all));
    }
}
