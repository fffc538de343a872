//! The same work done by apalis-workflow on apalis-postgres, at the best settings that were found.
//!
//! What it keeps is not quite the same: a stage's output is stored with the task of the next stage (the last one is not
//! stored at all), the next task and the end of this one are two transactions, and nothing is digested.

mod chain;
mod drain;
mod rows;
mod step;

use anyhow::{Context, Result};
use apalis_postgres::PostgresStorage;
use baselines::measured::Measured;
use baselines::workload::Workload;
use clap::Parser;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// apalis-workflow on apalis-postgres, in a database that nobody has used; it makes its own schema.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    work: Workload,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Options { work } = &Options::parse();
    let pool = connect(&work.database_url).await?;
    PostgresStorage::setup(&pool).await.context("making its schema")?;
    rows::load(&pool, &mut drain::storage(&pool), work).await.context("pushing the runs")?;
    let log_before = rows::log_position(&pool).await?;
    let time = drain::drain(&pool, work).await?;
    let log = rows::log_position(&pool).await? - log_before;
    rows::verify(&pool, work).await?;
    Measured::new("apalis", work, time, log).print()
}

async fn connect(url: &str) -> Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(drain::CONNECTIONS).min_connections(drain::CONNECTIONS);
    // A ping before every statement would double the round trips.
    Ok(options.test_before_acquire(false).connect(url).await?)
}
