//! The one command: Piton and the baselines in alternation on one private server, and the ratios beside what Piton
//! promises itself.

mod bounds;
mod case;
mod child;
mod ground;
mod machine;
mod measure;
mod programs;
mod samples;
mod stop;
mod table;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;

use case::{Case, Group, Sizes};
use ground::Ground;
use machine::Machine;
use programs::Programs;
use samples::Samples;
use stop::Stop;

/// Measures Piton and the baselines in alternation, and prints the ratios beside what Piton promises itself.
#[derive(Debug, Parser)]
struct Options {
    /// How often everything is measured; medians are told.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Runs of five stages, for Piton and the hand-written loop.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The same for apalis-workflow and sqlxmq, which take longer for each.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(1..))]
    apalis_runs: u32,
    /// Measure also what much work, a backlog and an old snapshot change (a quarter of an hour more).
    #[arg(long)]
    scale: bool,
    /// Measure also latencies and the cost of a steady load (three minutes a round more).
    #[arg(long)]
    latency: bool,
    /// Measure also how fast clients start runs (a minute a round more).
    #[arg(long)]
    starts: bool,
    /// Measure also programs, beside xargs (half a minute a round more).
    #[arg(long)]
    programs: bool,
    /// All of this in one sitting of about a quarter of an hour: what takes minutes, in the first round alone.
    #[arg(long, conflicts_with_all = ["scale", "latency", "starts", "programs", "only"])]
    all: bool,
    /// Measure these cases alone.
    #[arg(long, value_name = "CASES", value_delimiter = ',')]
    only: Vec<Case>,
    /// Write every figure as JSON.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl Options {
    /// What is measured in a round.
    fn cases(&self, round: u32) -> Vec<Case> {
        let wanted = |case: Case| match case.group() {
            _ if !self.only.is_empty() => self.only.contains(&case),
            _ if self.all => round == 1 || !case.is_long(),
            Group::Always => true,
            Group::Scale => self.scale,
            Group::Latency => self.latency,
            Group::Starts => self.starts,
            Group::Programs => self.programs,
        };
        Case::all().iter().copied().filter(|case| wanted(*case)).collect()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut stop = Stop::on_signals()?;
    let programs = Programs::build(&mut stop).await?;
    let mut ground = Ground::start(&programs.piton).await?;
    // Whatever happens from here on, the server is stopped.
    let measured = rounds(&options, &programs, &mut ground, &mut stop).await;
    let about = ground.version_and_date().await;
    let stopped = ground.stop().await;
    let (samples, (postgres, date)) = (measured?, about?);
    stopped?;
    let machine = Machine::here(postgres, date);
    if let Some(file) = &options.write {
        let text = serde_json::to_string_pretty(&json!({"machine": machine, "samples": samples}))? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{}", table::markdown(&samples, &machine, options.rounds));
    Ok(())
}

/// One case after the other, and that again and again, so that a slow minute of the machine meets all of them.
async fn rounds(options: &Options, programs: &Programs, ground: &mut Ground, stop: &mut Stop) -> Result<Samples> {
    let sizes = Sizes { runs: options.runs, apalis_runs: options.apalis_runs };
    let mut samples = Samples::default();
    for round in 1..=options.rounds {
        for case in options.cases(round) {
            let sample = measure::measure(case, sizes, programs, ground, stop).await?;
            let rate = sample.pointer(case.rate()).and_then(|rate| rate.as_f64()).context("no rate was told")?;
            eprintln!("Round {round} of {}: {}: {rate:.0} per second", options.rounds, case.title());
            samples.add(case, sample);
        }
    }
    Ok(samples)
}
