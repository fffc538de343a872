//! The floor: what one connection can do if there is no engine at all.
//!
//! It writes the same rows with the same payload as Piton, in Piton's own schema, with the same guarantees: every stage
//! of a batch is one transaction that advances the jobs under their fence and records the checkpoints. There are no
//! handlers, no plans, no retries and no other worker to think of.

mod rows;
mod statements;

use std::time::Instant;

use anyhow::{Context, Result};
use baselines::measured::Measured;
use baselines::output::Outputs;
use baselines::workload::Workload;
use clap::Parser;
use sqlx::PgConnection;
use sqlx::types::chrono::{DateTime, Utc};

use statements::{Outcomes, Step};

/// A hand-written loop on one connection, in a database that `piton migrate` has prepared and nobody has used.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    work: Workload,
    // Rates over that of 1000, on 2 cores: 0.8 with 100, 0.85 with 300, 0.93 with 500. Outputs made ahead by another
    // thread: 1.0.
    /// Jobs that advance together.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let work = &options.work;
    let mut connection = statements::connect(&work.database_url).await?;
    let queue = rows::load(&mut connection, work).await.context("loading the runs")?;
    let log_before = rows::log_position(&mut connection).await?;
    let begun = Instant::now();
    drain(&mut connection, queue, &options).await?;
    let time = begun.elapsed();
    let log = rows::log_position(&mut connection).await? - log_before;
    rows::verify(&mut connection, work).await?;
    Measured::new("floor", work, time, log).print()
}

/// Where the jobs stand, and who takes them.
#[derive(Debug, Clone, Copy)]
struct Queue {
    workflow: i64,
    worker: i64,
}

async fn drain(connection: &mut PgConnection, queue: Queue, options: &Options) -> Result<()> {
    let mut outputs = Outputs::of(options.work.payload, 1);
    loop {
        let claim = statements::claim(connection, queue, options.batch).await?;
        if claim.jobs.is_empty() {
            return Ok(());
        }
        let mut since: DateTime<Utc> = claim.since;
        for stage in 0..options.work.stages {
            let outcomes = Outcomes::of(&mut outputs, claim.jobs.len());
            let last = stage + 1 == options.work.stages;
            let step = Step { worker: queue.worker, stage: i16::try_from(stage)?, since };
            since = statements::commit(connection, &claim.jobs, &step, &outcomes, last).await?;
        }
    }
}
