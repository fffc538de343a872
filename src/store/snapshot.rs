//! The state in the database as metrics, for the one worker at a time that takes it; and how long stages take, by which
//! the work that is left is estimated.

use std::time::Duration;

use super::{Store, StoreError};
use crate::model::id::{WorkerId, WorkflowId};

/// One series of one metric of the state, or what the next snapshot needs.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Reading {
    pub(crate) metric: String,
    label_1: Option<String>,
    label_2: Option<String>,
    label_3: Option<String>,
    pub(crate) value: f64,
}

impl Reading {
    /// Values of its labels, in their order.
    pub(crate) fn labels(&self) -> Vec<&str> {
        [&self.label_1, &self.label_2, &self.label_3].into_iter().flatten().map(String::as_str).collect()
    }
}

/// What the attempts of a stage took, since it was last told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StageTime {
    pub(crate) workflow: WorkflowId,
    pub(crate) stage: String,
    pub(crate) attempts: u64,
    pub(crate) seconds: f64,
}

impl Store {
    /// Takes the snapshot for `lease` and reads it; `None` where another worker has it. `sweep_from` is where the look at
    /// all runs goes on.
    pub(crate) async fn snapshot(
        &self,
        worker: WorkerId,
        lease: Duration,
        sweep_from: i64,
    ) -> Result<Option<Vec<Reading>>, StoreError> {
        let rows: Vec<Reading> = sqlx::query_as(include_str!("sql/snapshot.sql"))
            .bind(worker.0)
            .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
            .bind(sweep_from)
            .fetch_all(&self.pool)
            .await?;
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// Leaves the snapshot to the others at once.
    pub(crate) async fn leave_snapshot(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query("delete from piton.leases where name = 'snapshot' and worker_id = $1")
            .bind(worker.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Adds what a worker measured. The latest thousand attempts or so are what counts.
    pub(crate) async fn add_stage_times(&self, times: &[StageTime]) -> Result<(), StoreError> {
        sqlx::query(
            "insert into piton.stage_times as t (workflow_id, stage, attempts, seconds)
             select * from unnest($1::int8[], $2::text[], $3::float8[], $4::float8[]) order by 1, 2
             on conflict (workflow_id, stage) do update
             set attempts = t.attempts * least(1, 1000 / (t.attempts + 1)) + excluded.attempts,
                 seconds = t.seconds * least(1, 1000 / (t.attempts + 1)) + excluded.seconds,
                 updated_at = now()",
        )
        .bind(times.iter().map(|t| t.workflow.0).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.stage.as_str()).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.attempts as f64).collect::<Vec<_>>())
        .bind(times.iter().map(|t| t.seconds).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
