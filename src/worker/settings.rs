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

/// Connections of a worker's pool: claimer, two committers, keeper, and some for stages. It has one more, its session.
pub(crate) const CONNECTIONS: u32 = 7;

impl WorkerSettings {
    pub(crate) const SLOTS: u32 = 32;
    pub(crate) const MOST_SLOTS: u32 = 4096;
    pub(crate) const POLL: Duration = Duration::from_millis(1200);
    pub(crate) const LEASE: Duration = Duration::from_secs(15);
    pub(crate) const SHORTEST_LEASE: Duration = Duration::from_secs(2);
    pub(crate) const LONGEST_LEASE: Duration = Duration::from_secs(86_400);
    pub(crate) const GRACE: Duration = Duration::from_secs(30);
    pub(crate) const CLEANUP_EVERY: Duration = Duration::from_secs(3600);

    /// How workers of that name work where nothing else is said, but without cleanups and without an artifact store.
    pub(crate) fn of(name: String) -> WorkerSettings {
        WorkerSettings {
            resources: Arc::new(Resources::new(None, false, &name)),
            name,
            slots: Self::SLOTS as usize,
            poll: Self::POLL,
            lease: Self::LEASE,
            grace: Self::GRACE,
            role: Role::Ordinary,
            parent: None,
            orders: None,
            cleanup_every: None,
            artifacts: None,
            limits: PayloadLimits::default(),
        }
    }
}

/// What a worker works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything but suspects, which it runs in processes of their own.
    Ordinary,
    /// Suspects, one after another, until none is left: such a process.
    Runner,
}
