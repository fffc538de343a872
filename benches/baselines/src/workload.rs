//! The work that is measured: runs of a workflow of stages that do nothing, one after the other.

use clap::Args;

/// How much of it, and where; the same options for every system.
#[derive(Debug, Clone, Args)]
pub struct Workload {
    /// The Postgres database to work in; nothing else may be going on there.
    #[arg(long, value_name = "URL")]
    pub database_url: String,
    /// Runs that are started before the clock.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Stages of a run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub stages: u16,
    /// Bytes of JSON that every stage returns.
    #[arg(long, default_value_t = 200, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub payload: u32,
}

impl Workload {
    /// Stages of all runs together.
    #[must_use]
    pub fn all_stages(&self) -> u64 {
        u64::from(self.runs) * u64::from(self.stages)
    }
}
