//! What every job does: nothing.

use baselines::handlers;
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};

/// A job, with as many bytes as an output of the others has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) data: String,
}

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "step";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        handlers::begin();
        Ok::<(), String>(())
    }
}
