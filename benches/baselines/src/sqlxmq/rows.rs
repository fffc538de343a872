//! What surrounds the runner: its schema, runs that wait before it or are offered, and the check after it.

use std::time::Duration;

use anyhow::{Result, ensure};
use baselines::log;
use baselines::workload::Workload;
use sqlx_08::{PgConnection, PgPool};
use sqlxmq::JobBuilder;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::step::Job;

/// Its own migrations, which it asks applications to copy.
const MIGRATIONS: [&str; 5] = [
    include_str!("migrations/20210316025847_setup.up.sql"),
    include_str!("migrations/20210921115907_clear.up.sql"),
    include_str!("migrations/20211013151757_fix_mq_latest_message.up.sql"),
    include_str!("migrations/20220208120856_fix_concurrent_poll.up.sql"),
    include_str!("migrations/20220713122907_fix-clear_all-keep-nil-message.up.sql"),
];

/// Runs that one transaction starts before the clock.
const PUSH_AT_ONCE: u32 = 1_000;

pub(crate) async fn make(pool: &PgPool) -> Result<()> {
    for migration in MIGRATIONS {
        sqlx_08::raw_sql(migration).execute(pool).await?;
    }
    Ok(())
}

/// Starts a stage.
pub(crate) async fn push(connection: &mut PgConnection, job: &Job) -> Result<()> {
    let mut builder = JobBuilder::new("step");
    builder.set_json(job)?;
    builder.spawn(connection).await?;
    Ok(())
}

/// Starts all runs.
pub(crate) async fn load(pool: &PgPool, work: &Workload) -> Result<()> {
    let mut run = 0;
    while run < work.runs {
        let mut transaction = pool.begin().await?;
        let end = work.runs.min(run + PUSH_AT_ONCE);
        for number in run..end {
            push(&mut transaction, &Job::first(number)).await?;
        }
        transaction.commit().await?;
        run = end;
    }
    // The ground that the other systems begin on, too.
    for statement in ["vacuum (analyze) mq_msgs", "vacuum (analyze) mq_payloads", "checkpoint"] {
        sqlx_08::raw_sql(statement).execute(pool).await?;
    }
    Ok(())
}

/// Starts runs at the rate, each in a transaction of its own when its time has come.
pub(crate) async fn offer(pool: &PgPool, work: &Workload, rate: u32, clock: &Clock) -> Result<()> {
    let (begin, mut starts) = (Instant::now(), JoinSet::new());
    for run in 0..work.runs {
        tokio::time::sleep_until(begin + Duration::from_secs(1) * run / rate).await;
        let (pool, clock) = (pool.clone(), clock.clone());
        starts.spawn(async move {
            clock.asked(run);
            let mut connection = pool.acquire().await?;
            push(&mut connection, &Job::first(run)).await?;
            clock.answered(run);
            anyhow::Ok(())
        });
    }
    while let Some(start) = starts.join_next().await {
        start??;
    }
    Ok(())
}

/// Bytes of write-ahead log that the server has written so far.
pub(crate) async fn log_position(pool: &PgPool) -> Result<i64> {
    Ok(sqlx_08::query_scalar(log::POSITION).fetch_one(pool).await?)
}

/// Every stage was committed, and no job is left. (The one row that is always there is sqlxmq's own.)
pub(crate) async fn verify(pool: &PgPool, work: &Workload, clock: &Clock) -> Result<()> {
    let (left,): (i64,) =
        sqlx_08::query_as("select count(*) from mq_msgs where id <> uuid_nil()").fetch_one(pool).await?;
    let missing = clock.missing();
    ensure!(left == 0 && missing == 0, "{left} jobs are left, {missing} of {} stages missing", work.all_stages());
    Ok(())
}
