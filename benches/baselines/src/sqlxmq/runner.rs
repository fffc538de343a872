//! The runner, from the first handler to the last commit.
//!
//! A job's end deletes its rows, and starting one notifies; both are transactions that commit one after another. Its own
//! keep-alive is off, since nothing takes longer than a moment, and it would cost a task for each job.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use baselines::workload::Workload;
use sqlx_08::PgPool;
use sqlxmq::{CurrentJob, JobRunnerHandle, JobRunnerOptions};

use crate::clock::Clock;
use crate::rows;
use crate::step::Job;

/// One of them listens.
pub(crate) const CONNECTIONS: u32 = 16;
/// Below the first number of jobs it asks for more, up to the second.
const CONCURRENCY: (usize, usize) = (50, 200);
/// Nothing is committed for so long: it hangs.
const STALLED: Duration = Duration::from_secs(60);

pub(crate) async fn start(pool: &PgPool, work: &Workload, clock: &Clock) -> Result<JobRunnerHandle> {
    let (clock, stages, payload) = (clock.clone(), work.stages, work.payload);
    let mut options = JobRunnerOptions::new(pool, move |job| {
        let clock = clock.clone();
        tokio::spawn(async move {
            if let Err(error) = handle(job, stages, payload, &clock).await {
                // What is missing then is found when it stalls.
                eprintln!("{error:#}");
            }
        });
    });
    options.set_concurrency(CONCURRENCY.0, CONCURRENCY.1).set_keep_alive(false);
    Ok(options.run().await?)
}

async fn handle(mut current: CurrentJob, stages: u16, payload: u32, clock: &Clock) -> Result<()> {
    let job: Job = current.json()?.context("a job without a payload")?;
    clock.began(job.run, job.stage);
    if job.stage + 1 == stages {
        current.complete().await?;
    } else {
        let mut transaction = current.pool().begin().await?;
        rows::push(&mut transaction, &job.next(payload)).await?;
        current.complete_with_transaction(transaction).await?;
    }
    clock.committed();
    Ok(())
}

/// Waits until all is committed, and stops.
pub(crate) async fn end(mut runner: JobRunnerHandle, clock: &Clock) -> Result<()> {
    let mut missing = clock.missing();
    while tokio::time::timeout(STALLED, clock.all_committed()).await.is_err() {
        if clock.missing() == missing {
            bail!("nothing moved for {} s with {missing} stages missing", STALLED.as_secs());
        }
        missing = clock.missing();
    }
    runner.stop().await;
    Ok(())
}
