//! What every job does: nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};

static BEGAN: OnceLock<Instant> = OnceLock::new();
static CALLS: AtomicU64 = AtomicU64::new(0);

/// A job, with as many bytes as an output of the others has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) data: String,
}

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "step";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        BEGAN.get_or_init(Instant::now);
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok::<(), String>(())
    }
}

/// When the first handler began.
pub(crate) fn first_began() -> Option<Instant> {
    BEGAN.get().copied()
}

/// How many handlers have run.
pub(crate) fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}
