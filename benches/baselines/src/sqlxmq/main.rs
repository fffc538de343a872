//! The same work done by sqlxmq: a job for each stage, whose end and the next stage's job are one transaction.
//!
//! What it keeps is less: a stage's output is stored with the job of the next stage (the last one is not stored at all),
//! every job is deleted at its end, and nothing is digested.

mod clock;
mod rows;
mod runner;
mod step;

use std::time::Duration;

use anyhow::{Context, Result};
use baselines::measured::Measured;
use baselines::workload::Workload;
use clap::Parser;
use sqlx_08::PgPool;
use sqlx_08::postgres::PgPoolOptions;

use clock::Clock;

/// sqlxmq, in a database that nobody has used; it makes its own schema.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    work: Workload,
    /// Start so many runs per second, and measure how long each takes; otherwise all are started before the clock.
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "runs")]
    offered: Option<u32>,
    /// How long to start runs with --offered.
    #[arg(long, requires = "offered", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { mut work, offered, seconds } = Options::parse();
    let pool = connect(&work.database_url).await?;
    rows::make(&pool).await.context("making its schema")?;
    if let Some(rate) = offered {
        work.runs = rate * seconds;
    }
    let clock = Clock::of(&work);
    let log_before;
    if let Some(rate) = offered {
        log_before = rows::log_position(&pool).await?;
        let runner = runner::start(&pool, &work, &clock).await?;
        rows::offer(&pool, &work, rate, &clock).await.context("starting the runs")?;
        runner::end(runner, &clock).await?;
    } else {
        rows::load(&pool, &work).await.context("starting the runs")?;
        log_before = rows::log_position(&pool).await?;
        let runner = runner::start(&pool, &work, &clock).await?;
        runner::end(runner, &clock).await?;
    }
    let log = rows::log_position(&pool).await? - log_before;
    rows::verify(&pool, &work, &clock).await?;
    let mut measured = Measured::new("sqlxmq", &work, clock.time().context("no handler ran")?, log);
    if offered.is_some() {
        measured.asked_to_first_handler_ms = clock.since_asked_ms(0);
        measured.asked_to_last_handler_ms = clock.since_asked_ms(work.stages - 1);
        measured.first_handler_ms = clock.since_answer_ms(0);
        measured.last_handler_ms = clock.since_answer_ms(work.stages - 1);
    }
    measured.print()
}

async fn connect(url: &str) -> Result<PgPool> {
    // A ping before every statement would double the round trips.
    let options = PgPoolOptions::new().max_connections(runner::CONNECTIONS).min_connections(runner::CONNECTIONS);
    let pool = options.acquire_timeout(Duration::from_secs(60)).test_before_acquire(false).connect(url).await?;
    Ok(pool)
}
