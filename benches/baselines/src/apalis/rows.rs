//! What surrounds the worker: runs that wait before it, and the check after it.

use anyhow::{Result, ensure};
use apalis_core::backend::TaskSink;
use apalis_postgres::PostgresStorage;
use baselines::log;
use baselines::workload::Workload;
use sqlx::PgPool;

use crate::step::Output;

/// Runs that one statement pushes.
const PUSH_AT_ONCE: u32 = 5_000;

/// A task per stage, all of them done; those that bring an output to the next stage bring it whole.
const CHECK: &str = "
    select count(*), count(*) filter (where status = 'Done'),
           count(*) filter (where step = $1 - 1 and status = 'Done'),
           count(*) filter (where step > 0 and octet_length(job) = $2)
    from (select status, job, coalesce((metadata -> 'apalis_workflow.context.step_index')::int8, 0) as step
          from apalis.jobs) as tasks";

pub(crate) async fn load(pool: &PgPool, storage: &mut PostgresStorage<Output>, work: &Workload) -> Result<()> {
    let mut missing = work.runs;
    while missing > 0 {
        let now = missing.min(PUSH_AT_ONCE);
        storage.push_bulk(vec![Output::default(); now as usize]).await?;
        missing -= now;
    }
    // The ground that the other systems begin on, too.
    for statement in ["vacuum (analyze) apalis.jobs", "checkpoint"] {
        sqlx::raw_sql(statement).execute(pool).await?;
    }
    Ok(())
}

/// Bytes of write-ahead log that the server has written so far.
pub(crate) async fn log_position(pool: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar(log::POSITION).fetch_one(pool).await?)
}

/// Every run has gone through all of its stages, and nothing else is left.
pub(crate) async fn verify(pool: &PgPool, work: &Workload) -> Result<()> {
    let found: (i64, i64, i64, i64) =
        sqlx::query_as(CHECK).bind(i64::from(work.stages)).bind(i64::from(work.payload)).fetch_one(pool).await?;
    let (runs, all) = (i64::from(work.runs), i64::try_from(work.all_stages())?);
    let expected = (all, all, runs, all - runs);
    ensure!(found == expected, "tasks, done, done last and with an output are {found:?}, should be {expected:?}");
    Ok(())
}
