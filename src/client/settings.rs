//! The default settings of a worker.

use std::sync::Arc;
use std::time::Duration;

use crate::model::payload::PayloadLimits;
use crate::stage::resources::Resources;
use crate::worker::{Role, WorkerSettings};

/// Between two cleanups. This and what follows is what `piton worker` does where nothing is said (`cli/args/worker.rs`).
const CLEANUP_EVERY: Duration = Duration::from_secs(3600);

pub(super) fn settings(name: String) -> WorkerSettings {
    WorkerSettings {
        resources: Arc::new(Resources::new(None, false, &name)),
        name,
        slots: 32,
        poll: Duration::from_millis(1200),
        lease: Duration::from_secs(15),
        grace: Duration::from_secs(30),
        role: Role::Ordinary,
        parent: None,
        orders: None,
        cleanup_every: Some(CLEANUP_EVERY),
        artifacts: None,
        limits: PayloadLimits::default(),
    }
}
