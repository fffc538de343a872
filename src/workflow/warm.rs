//! How a program is kept running from job to job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// The table `warm` of a command stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Warm {
    /// At most, on each worker; at least one.
    pub(crate) processes: u32,
    /// From the start of a process until it is ready.
    #[serde(rename = "start_timeout_ms", with = "duration::millis")]
    pub(crate) start_timeout: Duration,
    /// A process without a job for so long is stopped.
    #[serde(rename = "idle_ms", with = "duration::millis")]
    pub(crate) idle: Duration,
    /// A process is replaced after that many; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_jobs: Option<u32>,
    /// Resident bytes of a process with its children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_memory_bytes: Option<u64>,
}

impl Default for Warm {
    fn default() -> Warm {
        Warm {
            processes: 1,
            start_timeout: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            max_jobs: None,
            max_memory_bytes: None,
        }
    }
}

impl Warm {
    /// Whether the stored numbers are those that a file may have.
    pub(super) fn is_within_bounds(&self) -> bool {
        let times = [self.start_timeout, self.idle];
        self.processes > 0 && self.max_jobs != Some(0) && times.iter().all(|time| duration::checked(*time).is_ok())
    }
}
