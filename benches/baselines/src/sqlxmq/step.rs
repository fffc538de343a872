//! What every stage of a run does: nothing, and a new output, which the next stage gets.

use baselines::output::Outputs;
use serde::{Deserialize, Serialize};

/// The payload of a job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) run: u32,
    pub(crate) stage: u16,
    /// What the stage before returned.
    pub(crate) data: String,
}

impl Job {
    pub(crate) fn first(run: u32) -> Job {
        Job { run, stage: 0, data: String::new() }
    }

    /// The next stage's job, with an output of so many bytes.
    pub(crate) fn next(&self, bytes: u32) -> Job {
        let seed = (u64::from(self.run) << 16) + u64::from(self.stage);
        Job { run: self.run, stage: self.stage + 1, data: Outputs::of(bytes, seed << 32).digits() }
    }
}
