//! What surrounds the worker: jobs that wait before it, and the check after it.

use anyhow::{Result, ensure};
use baselines::handlers;
use baselines::log;
use baselines::output::Outputs;
use baselines::workload::Workload;
use graphile_worker::{JobSpec, RawJobSpec, WorkerUtils};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

const CONNECTIONS: u32 = 20;
/// Jobs that one statement adds.
const PUSH_AT_ONCE: u32 = 5_000;

pub(crate) async fn connect(url: &str) -> Result<PgPool> {
    // A ping before every statement would double the round trips.
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    Ok(options.connect(url).await?)
}

pub(crate) async fn load(pool: &PgPool, utils: &WorkerUtils, work: &Workload) -> Result<()> {
    let (mut outputs, mut missing) = (Outputs::of(work.payload, 1), work.runs);
    while missing > 0 {
        let now = missing.min(PUSH_AT_ONCE);
        let job = |_| RawJobSpec {
            identifier: "step".to_owned(),
            payload: serde_json::json!({"data": outputs.digits()}),
            spec: JobSpec::default(),
        };
        let jobs: Vec<RawJobSpec> = (0..now).map(job).collect();
        utils.add_raw_jobs(&jobs).await?;
        missing -= now;
    }
    // The ground that the other systems begin on, too.
    for statement in ["vacuum (analyze) graphile_worker._private_jobs", "checkpoint"] {
        sqlx::raw_sql(statement).execute(pool).await?;
    }
    Ok(())
}

/// Bytes of write-ahead log that the server has written so far.
pub(crate) async fn log_position(pool: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar(log::POSITION).fetch_one(pool).await?)
}

/// Every job's handler has run once, and no job is left.
pub(crate) async fn verify(pool: &PgPool, work: &Workload) -> Result<()> {
    let (left,): (i64,) = sqlx::query_as("select count(*) from graphile_worker._private_jobs").fetch_one(pool).await?;
    let (calls, all) = (handlers::calls(), work.all_stages());
    ensure!(left == 0 && calls == all, "{left} jobs are left, and {calls} handlers have run; there should be {all}");
    Ok(())
}
