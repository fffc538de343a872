//! Throughput: what workers have counted, and what people read of it.

use std::time::Duration;

use serde::Serialize;

use super::{Store, StoreError};
use crate::model::counts::Counts;
use crate::model::id::WorkerId;

/// What a worker adds at once. May be sent again: it counts once.
#[derive(Debug, Clone)]
pub(crate) struct Addition {
    /// The boot that counted it.
    pub(crate) worker: WorkerId,
    /// Its number among those of the process, from 1.
    pub(crate) number: i64,
    /// The time in which it was counted.
    pub(crate) over: Duration,
    pub(crate) counts: Vec<Counts>,
}

/// How a workflow is doing, all its stages together.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Outlook {
    pub(crate) workflow: String,
    /// Jobs per minute, in the last ten minutes and in the ten before.
    pub(crate) done_per_minute: f64,
    pub(crate) done_per_minute_before: Option<f64>,
    pub(crate) waiting: i64,
    pub(crate) running: i64,
    /// Jobs that live runs will have in later stages.
    pub(crate) to_come: i64,
    /// What all of these take one after another, and what those took that were left ten minutes ago.
    pub(crate) work_left_seconds: f64,
    pub(crate) work_left_seconds_before: Option<f64>,
    /// `better`, `worse`, `same`, `empty` or `unknown`.
    pub(crate) trend: String,
    /// Until nothing is left; none where it does not empty at this rate, and why not.
    pub(crate) empty_seconds: Option<f64>,
    pub(crate) why_not_empty: Option<String>,
    /// The stage that holds it up: because it is `paused`, has a `limit`, is `stuck`, or has most of the work.
    pub(crate) bottleneck: Option<String>,
    pub(crate) bottleneck_hold: Option<String>,
    /// The stage whose attempts took longest, and how long.
    pub(crate) slowest_stage: Option<String>,
    pub(crate) slowest_seconds: Option<f64>,
    /// The stage at which most jobs wait.
    pub(crate) longest_queue: Option<String>,
    /// More than 20,000 jobs are in one state, so that jobs are estimated.
    pub(crate) is_estimate: bool,
    /// Runs that are blocked by dead letters; what is left of them is not counted.
    pub(crate) blocked_runs: i64,
}

/// How a stage is doing.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct StageFlow {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// Jobs per minute, in the last ten minutes and in the ten before.
    pub(crate) done_per_minute: f64,
    pub(crate) done_per_minute_before: Option<f64>,
    /// `faster`, `slower`, `steady`, `new`, `stopped`, `idle` or `empty`.
    pub(crate) trend: String,
    /// Of the attempts of the last ten minutes, from 0 to 1.
    pub(crate) failing_share: Option<f64>,
    /// What one of them took, and how long it had waited, on average.
    pub(crate) mean_seconds: Option<f64>,
    pub(crate) mean_wait_seconds: Option<f64>,
    pub(crate) waiting: i64,
    pub(crate) running: i64,
    /// Jobs that live runs will have here later.
    pub(crate) to_come: i64,
    /// What all of these take one after another.
    pub(crate) work_left_seconds: f64,
    /// Attempts that were running side by side, on average.
    pub(crate) busy_attempts: f64,
    /// Until nothing is left here; none where no job of it has ended.
    pub(crate) empty_seconds: Option<f64>,
    pub(crate) is_bottleneck: bool,
    /// `paused`, `limit`, `stuck`, or none.
    pub(crate) hold: Option<String>,
    /// More than 20,000 jobs are in one state, so that jobs are estimated.
    pub(crate) is_estimate: bool,
}

impl Store {
    /// Adds what a worker has counted.
    pub(crate) async fn add_throughput(&self, addition: &Addition) -> Result<(), StoreError> {
        let Addition { worker, number, over, counts } = addition;
        let rows = serde_json::to_string(counts).map_err(|error| StoreError::Damaged(error.to_string()))?;
        sqlx::query(include_str!("sql/add_throughput.sql"))
            .bind(worker.0)
            .bind(number)
            .bind(rows)
            .bind(i64::try_from(over.as_millis()).unwrap_or(i64::MAX))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes what is left now, and keeps what was counted small.
    pub(crate) async fn settle_throughput(&self) -> Result<(), StoreError> {
        sqlx::query("select piton.settle_throughput()").execute(&self.pool).await?;
        Ok(())
    }

    /// Workflows that are at work or have something to do, those that take longest first.
    pub(crate) async fn outlook(&self, workflow: Option<&str>) -> Result<Vec<Outlook>, StoreError> {
        let sql = "select * from piton.outlook_overview where $1::text is null or workflow = $1
                   order by work_left_seconds desc, workflow";
        Ok(sqlx::query_as(sql).bind(workflow).fetch_all(&self.pool).await?)
    }

    /// Their stages, each workflow's with the most work left first.
    pub(crate) async fn stage_flow(&self, workflow: Option<&str>) -> Result<Vec<StageFlow>, StoreError> {
        let sql = "select * from piton.throughput_overview where $1::text is null or workflow = $1
                   order by workflow, work_left_seconds desc, stage";
        Ok(sqlx::query_as(sql).bind(workflow).fetch_all(&self.pool).await?)
    }
}
