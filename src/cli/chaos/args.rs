//! The arguments of `piton chaos`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::chaos::plan::{Kind, Scope};
use crate::cli::args::{InputArgs, WorkerArgs, lease};
use crate::cli::bench::args::rate;
use crate::cli::output::errln;
use crate::embedded::can_be_copied;
use crate::workflow::duration;

/// Of the campaign's workers: time for what runs to end in a deploy.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// And how long they bear a silent connection: short, so that a campaign sees it end.
pub(super) const SILENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Args)]
pub(crate) struct ChaosArgs {
    /// Draws the faults and the runs; the same seed draws the same again [default: by chance].
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// How long things go wrong. Then the runs come to rest, and everything is checked.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub(super) seconds: u64,
    /// Worker processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(super) workers: u32,
    /// Stages that run side by side in each worker.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) slots: u32,
    /// Lease of the workers.
    #[arg(long, default_value = "3s", value_parser = lease)]
    pub(super) lease: Duration,
    /// Between two faults, on average.
    #[arg(long, default_value = "500ms", value_parser = duration::parse)]
    pub(super) pause: Duration,
    /// What goes wrong, as a list with commas [default: everything].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULTS")]
    pub(super) faults: Vec<Kind>,
    /// Runs that are started per second.
    #[arg(long, default_value_t = 6.0, value_parser = rate, value_name = "RATE")]
    pub(super) rate: f64,
    /// A workflow of yours, instead of the campaign's own.
    #[arg(long, value_name = "NAME")]
    pub(super) workflow: Option<String>,
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// Keep the database and the workers' logs, and say where they are.
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
