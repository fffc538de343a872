//! The state of the database as metrics, read by one worker at a time.

use std::time::Duration;

use super::{Store, StoreError};
use crate::model::id::WorkerId;

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

    /// What is left to do, as series of metrics.
    pub(crate) async fn outlook_state(&self) -> Result<Vec<Reading>, StoreError> {
        Ok(sqlx::query_as("select * from piton.outlook_state()").fetch_all(&self.pool).await?)
    }

    /// Leaves the snapshot to the others at once.
    pub(crate) async fn leave_snapshot(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query("delete from piton.leases where name = 'snapshot' and worker_id = $1")
            .bind(worker.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
