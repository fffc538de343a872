//! The arguments of `piton chaos`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::chaos::plan::{Kind, Scope};
use crate::cli::args::{InputArgs, WorkerArgs, lease};
use crate::cli::bench::args::rate;
use crate::cli::output::errln;
use crate::embedded::can_be_copied;
use crate::workflow::duration;

/// Grace period of the campaign's workers at a deploy.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How long they wait on a silent connection: short, so that a campaign sees it given up.
pub(super) const SILENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Args)]
pub(crate) struct ChaosArgs {
    /// Seed of the faults and runs; the same seed draws the same ones again [default: random].
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// How long faults are injected. Then the runs come to rest, and everything is checked.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub(super) seconds: u64,
    /// Number of worker processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(super) workers: u32,
    /// Number of stages that each worker runs at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) slots: u32,
    /// Lease of the workers.
    #[arg(long, default_value = "3s", value_parser = lease)]
    pub(super) lease: Duration,
    /// Mean time between two faults.
    #[arg(long, default_value = "500ms", value_parser = duration::parse)]
    pub(super) pause: Duration,
    /// Which faults to inject, separated by commas [default: all].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULTS")]
    pub(super) faults: Vec<Kind>,
    /// Number of runs started per second.
    #[arg(long, default_value_t = 6.0, value_parser = rate, value_name = "RATE")]
    pub(super) rate: f64,
    /// A workflow of your own, instead of the campaign's.
    #[arg(long, value_name = "NAME")]
    pub(super) workflow: Option<String>,
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// Keep the database and the workers' logs, and print where they are.
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChaosWorkerArgs {
    /// Works on the campaign's own workflow.
    #[arg(long)]
    pub(super) own: bool,
    #[command(flatten)]
    pub(super) worker: WorkerArgs,
}

impl ChaosArgs {
    pub(super) fn scope(&self) -> anyhow::Result<Scope> {
        Ok(Scope {
            seed: self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>())),
            length: Duration::from_secs(self.seconds),
            workers: self.workers as usize,
            lease: self.lease,
            grace: GRACE,
            silence: SILENCE,
            pause: self.pause,
            kinds: self.kinds()?,
        })
    }

    fn kinds(&self) -> anyhow::Result<Vec<Kind>> {
        if self.faults.contains(&Kind::Rewind) && !can_be_copied() {
            anyhow::bail!("`rewind` needs `pg_basebackup` beside `postgres`; install it, or leave that fault out");
        }
        if !self.faults.is_empty() {
            return Ok(self.faults.clone());
        }
        let mut kinds = Kind::value_variants().to_vec();
        if !can_be_copied() {
            errln!("Without `rewind`: there is no `pg_basebackup` beside `postgres`.");
            kinds.retain(|kind| *kind != Kind::Rewind);
        }
        Ok(kinds)
    }
}
