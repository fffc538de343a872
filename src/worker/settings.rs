//! How a worker works, and on what.

use std::sync::Arc;
use std::time::Duration;

use crate::artifacts::Artifacts;
use crate::model::id::WorkerId;
use crate::model::payload::PayloadLimits;
use crate::stage::resources::Resources;

/// How a worker works.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    /// Stable name, of one process at a time; a restart under it takes the old boot's jobs back at once.
    pub(crate) name: String,
    /// Attempts that run side by side.
    pub(crate) slots: usize,
    /// The net under the notifications.
    pub(crate) poll: Duration,
    /// A worker that was not heard of for that long is gone.
    pub(crate) lease: Duration,
    /// How long running stages may go on after the first signal.
    pub(crate) grace: Duration,
    pub(crate) limits: PayloadLimits,
    /// Where files of stages are kept.
    pub(crate) artifacts: Option<Artifacts>,
    /// That store, and what else stages need of this machine.
    pub(crate) resources: Arc<Resources>,
    pub(crate) role: Role,
    /// The boot that started it to run suspects.
    pub(crate) parent: Option<WorkerId>,
    /// What it is told on its standard input that runs suspects for this one; `None` where it has the same arguments, and goes by
    /// these.
    pub(crate) orders: Option<Arc<str>>,
    /// Between two cleanups; `None` for a worker that leaves them to others.
    pub(crate) cleanup_every: Option<Duration>,
}

/// What a worker works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything but suspects, which it runs in processes of their own.
    Ordinary,
    /// Suspects, one after another, until none is left: such a process.
    Runner,
}
