//! The arguments of `piton bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bench::case::{Case, FAN_OUT_STAGES, Offered, SMALLEST_PAYLOAD, Shape, Starts};
use crate::cli::args::WorkerArgs;

#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Number of runs [default: 20,000 of sequential, 100,000 of one-stage, 10,000 of starts, 3,000 of commands; of a
    /// fan-out see --fan-outs].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) runs: Option<u32>,
    /// Number of stages of the chain.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(super) stages: u16,
    /// Size of every stage's output in bytes.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(SMALLEST_PAYLOAD as i64..=1 << 20))]
    pub(super) payload: u32,
    /// Number of worker processes [default: 1; of one-stage 1, then 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) workers: Option<u32>,
    /// Number of stages that each worker runs at once [default: 512; of commands 8, then 32].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) slots: Option<u32>,
    /// What is measured, in turn: a chain of stages; a list with a stage for each item and a join; runs of one stage; how
    /// fast clients start runs; programs that do nothing [default: sequential,fan-out; sequential with --offered or
    /// --backlog].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SHAPES")]
    pub(super) shape: Vec<ShapeArg>,
    /// Numbers of clients that start runs at once, each run in a transaction of its own, with --shape starts.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], value_name = "NUMBERS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) clients: Vec<u32>,
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
        "runs", "stages", "payload", "workers", "slots", "shape", "clients", "items", "fan_outs", "offered", "seconds",
        "backlog", "hold_snapshot", "compare", "write", "keep",
    ])]
    pub(super) prove: Option<String>,
}

/// Which shapes are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ShapeArg {
    /// A chain of stages.
    Sequential,
    /// A list, a stage for each of its items, and a join.
    FanOut,
    /// Runs of one stage.
    OneStage,
    /// Clients that start runs by SQL, with and without workers, and without NOTIFY.
    Starts,
    /// Programs that do nothing, and the same started by xargs.
    Commands,
    /// All of these.
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

impl ShapeArg {
    fn shapes(self) -> &'static [Shape] {
        match self {
            ShapeArg::Sequential => &[Shape::Sequential],
            ShapeArg::FanOut => &[Shape::FanOut],
            ShapeArg::OneStage => &[Shape::OneStage],
            ShapeArg::Starts => &[Shape::Starts],
            ShapeArg::Commands => &[Shape::Commands],
            ShapeArg::All => &[Shape::Sequential, Shape::FanOut, Shape::OneStage, Shape::Starts, Shape::Commands],
        }
    }
}

impl BenchArgs {
    /// What is to be measured, in order.
    pub(super) fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let chain_only = self.offered.is_some() || self.backlog > 0;
        if chain_only && self.shape.iter().any(|shape| *shape != ShapeArg::Sequential) {
            anyhow::bail!("--offered and --backlog measure the chain alone; leave --shape out, or give sequential");
        }
        let shapes: Vec<Shape> = match self.shape.as_slice() {
            [] if chain_only => vec![Shape::Sequential],
            [] => vec![Shape::Sequential, Shape::FanOut],
            given => given.iter().flat_map(|shape| shape.shapes()).copied().collect(),
        };
        Ok(shapes.into_iter().flat_map(|shape| self.cases_of(shape)).collect())
    }

    /// A shape that is measured in several ways is, unless one is given.
    fn cases_of(&self, shape: Shape) -> Vec<Case> {
        let case = self.case(shape);
        match shape {
            Shape::Sequential | Shape::FanOut => vec![case],
            Shape::OneStage => {
                let workers = self.workers.map_or_else(|| vec![1, 2], |workers| vec![workers]);
                workers.into_iter().map(|workers| Case { workers, ..case }).collect()
            }
            Shape::Commands => {
                let slots = self.slots.map_or_else(|| vec![8, 32], |slots| vec![slots]);
                slots.into_iter().map(|slots| Case { slots, ..case }).collect()
            }
            Shape::Starts => {
                let ways = [(false, 0), (true, 0), (true, case.workers)];
                let of = |clients: u32| {
                    ways.map(|(notify, workers)| Case { workers, starts: Some(Starts { clients, notify }), ..case })
                };
                self.clients.iter().copied().flat_map(of).collect()
            }
        }
    }

    fn case(&self, shape: Shape) -> Case {
        let offered = self.offered.map(|per_s| Offered { per_s, seconds: self.seconds });
        let given = offered.map(|offered| offered.runs()).or(self.runs.map(u64::from));
        let payload = self.payload as usize;
        let (runs, stages, items, payload_bytes) = match shape {
            Shape::Sequential => (given.unwrap_or(20_000), self.stages, 0, payload),
            Shape::FanOut => (self.fan_outs.into(), FAN_OUT_STAGES, self.items, payload),
            Shape::OneStage => (given.unwrap_or(100_000), 1, 0, payload),
            Shape::Starts => (given.unwrap_or(10_000), 1, 0, payload),
            Shape::Commands => (given.unwrap_or(3_000), 1, 0, 0),
        };
        Case {
            shape,
            runs,
            stages,
            items,
            payload_bytes,
            workers: self.workers.unwrap_or(1),
            slots: self.slots.unwrap_or(512),
            backlog: self.backlog.into(),
            hold_snapshot: self.hold_snapshot,
            offered,
            starts: None,
        }
    }
}
