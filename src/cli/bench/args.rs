//! The arguments of `piton bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bench::case::{Case, FAN_OUT_STAGES, Offered, SMALLEST_PAYLOAD, Shape};
use crate::cli::args::WorkerArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Number of runs of the chain.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) runs: u32,
    /// Number of stages of the chain.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(super) stages: u16,
    /// Size of every stage's output in bytes.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(SMALLEST_PAYLOAD as i64..=1 << 20))]
    pub(super) payload: u32,
    /// Number of worker processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) workers: u32,
    /// Number of stages that each worker runs at once.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) slots: u32,
    /// Shape of the runs: a chain of stages, a list with a stage for each item and a join, or both in turn [default: all;
    /// sequential with --offered or --backlog].
    #[arg(long, value_enum)]
    pub(super) shape: Option<ShapeArg>,
    /// Number of items of a fan-out.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) items: u32,
    /// Number of runs of the fan-out.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) fan_outs: u32,
    /// Instead of starting all runs ahead, start this many per second, and measure how long each takes.
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with_all = ["runs", "backlog"])]
    pub(super) offered: Option<f64>,
    /// How long to start runs with --offered.
    #[arg(long, requires = "offered", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) seconds: u64,
    /// Number of runs that wait behind the measured ones, and are left waiting.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub(super) backlog: u32,
    /// Hold a snapshot on another connection throughout, so that no dead row can be vacuumed.
    #[arg(long)]
    pub(super) hold_snapshot: bool,
    /// Print each figure's ratio to an earlier file's.
    #[arg(long, value_name = "FILE")]
    pub(super) compare: Option<PathBuf>,
    /// Write the results as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
    /// Keep the bench's database, and print its name.
    #[arg(long)]
    pub(super) keep: bool,
    /// Measure nothing; prove the contents of a kept database once more.
    #[arg(long, value_name = "DATABASE", conflicts_with_all = [
        "runs", "stages", "payload", "workers", "slots", "shape", "items", "fan_outs", "offered", "seconds", "backlog",
        "hold_snapshot", "compare", "write", "keep",
    ])]
    pub(super) prove: Option<String>,
}

/// Which shapes are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ShapeArg {
    Sequential,
    FanOut,
    All,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BenchWorkerArgs {
    #[arg(long, value_enum)]
    pub(super) shape: Shape,
    #[arg(long)]
    pub(super) stages: u16,
    #[arg(long)]
    pub(super) payload: usize,
    #[command(flatten)]
    pub(super) worker: WorkerArgs,
}

pub(in crate::cli) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("a rate is a number of runs per second, from 0.01 to 100000".to_owned()),
    }
}

impl BenchArgs {
    /// What is to be measured, in order.
    pub(super) fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let chain_only = self.offered.is_some() || self.backlog > 0;
        let shapes: &[Shape] = match self.shape {
            Some(ShapeArg::Sequential) => &[Shape::Sequential],
            None if chain_only => &[Shape::Sequential],
            Some(ShapeArg::FanOut | ShapeArg::All) if chain_only => {
                anyhow::bail!("--offered and --backlog measure the chain alone; leave --shape out, or give sequential")
            }
            Some(ShapeArg::FanOut) => &[Shape::FanOut],
            Some(ShapeArg::All) | None => &[Shape::Sequential, Shape::FanOut],
        };
        Ok(shapes.iter().map(|shape| self.case(*shape)).collect())
    }

    fn case(&self, shape: Shape) -> Case {
        let offered = self.offered.map(|per_s| Offered { per_s, seconds: self.seconds });
        let runs = offered.map_or_else(|| self.runs.into(), |offered| offered.runs());
        let (runs, stages, items) = match shape {
            Shape::Sequential => (runs, self.stages, 0),
            Shape::FanOut => (self.fan_outs.into(), FAN_OUT_STAGES, self.items),
        };
        Case {
            shape,
            runs,
            stages,
            items,
            payload_bytes: self.payload as usize,
            workers: self.workers,
            slots: self.slots,
            backlog: self.backlog.into(),
            hold_snapshot: self.hold_snapshot,
            offered,
        }
    }
}
