//! Jobs of one stage done by graphile_worker, with the settings of its own benchmark.
//!
//! What it keeps is nothing: a job's row is deleted at its end, and its handler has no output.

mod drain;
mod rows;
mod step;

use anyhow::{Context, Result, ensure};
use baselines::measured::Measured;
use baselines::workload::Workload;
use clap::Parser;

/// graphile_worker, in a database that nobody has used; it makes its own schema.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    work: Workload,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { work } = &Options::parse();
    ensure!(work.stages == 1, "it knows no stages: give --stages 1");
    let pool = rows::connect(&work.database_url).await?;
    let worker = drain::worker(&pool).await.context("making its schema")?;
    rows::load(&pool, &worker.create_utils(), work).await.context("adding the jobs")?;
    let log_before = rows::log_position(&pool).await?;
    let time = drain::drain(worker, work).await?;
    let log = rows::log_position(&pool).await? - log_before;
    rows::verify(&pool, work).await?;
    Measured::new("graphile", work, time, log).print()
}
