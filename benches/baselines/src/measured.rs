//! How a measurement is told: one line of JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spread::Spread;
use crate::workload::Workload;

/// One measurement of a system whose work was checked afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Who did the work.
    pub system: String,
    /// Finished stages over seconds.
    pub stages_per_s: f64,
    /// Write-ahead log that the server wrote, over stages.
    pub wal_bytes_per_stage: f64,
    /// Time between the first stage's start and the last stage's commit.
    pub seconds: f64,
    /// See [`Workload`].
    pub runs: u32,
    /// See [`Workload`].
    pub stages: u16,
    /// See [`Workload`].
    pub payload: u32,
    /// From asking for a run's start to its first handler, where runs are offered.
    pub asked_to_first_handler_ms: Option<Spread>,
    /// From asking for a run's start to its last handler, where runs are offered.
    pub asked_to_last_handler_ms: Option<Spread>,
    /// From the answer to a run's start to its first handler, where runs are offered.
    pub first_handler_ms: Option<Spread>,
    /// From the answer to a run's start to its last handler, where runs are offered.
    pub last_handler_ms: Option<Spread>,
    /// The database was asked afterwards whether all of it is done; where not, the program fails instead.
    pub verified: bool,
}

impl Measured {
    /// For work that took `time` and `wal` bytes of log, and was checked.
    #[must_use]
    pub fn new(system: &str, work: &Workload, time: Duration, wal: i64) -> Measured {
        let stages = work.all_stages() as f64;
        Measured {
            system: system.to_owned(),
            stages_per_s: (stages / time.as_secs_f64()).round(),
            wal_bytes_per_stage: (wal as f64 / stages).round(),
            seconds: time.as_secs_f64(),
            runs: work.runs,
            stages: work.stages,
            payload: work.payload,
            asked_to_first_handler_ms: None,
            asked_to_last_handler_ms: None,
            first_handler_ms: None,
            last_handler_ms: None,
            verified: true,
        }
    }

    /// Prints the line.
    ///
    /// # Errors
    /// If the standard output is closed.
    pub fn print(&self) -> anyhow::Result<()> {
        use std::io::Write;
        Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(self)?)?)
    }
}
