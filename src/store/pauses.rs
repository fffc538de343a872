//! What is paused.

use serde::Serialize;
use sqlx::types::chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// What a pause is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue<'q> {
    /// `None` for every workflow.
    pub(crate) workflow: Option<&'q str>,
    /// `None` for every stage.
    pub(crate) stage: Option<&'q str>,
}

/// One that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
pub(crate) struct Pause {
    pub(crate) workflow: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) reason: String,
    pub(crate) paused_by: String,
    pub(crate) paused_at: DateTime<Utc>,
}

impl Store {
    /// Nothing of it is claimed any more; or is refused with the reason.
    pub(crate) async fn pause(&self, queue: Queue<'_>, reason: &str, actor: &str) -> Result<(), StoreError> {
        let sql = "select piton.pause($1, $2, $3, $4)";
        let asked = sqlx::query(sql).bind(reason).bind(queue.workflow).bind(queue.stage).bind(actor);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// It goes on; or is refused with the reason.
    pub(crate) async fn resume(&self, queue: Queue<'_>, actor: &str) -> Result<(), StoreError> {
        let sql = "select piton.resume($1, $2, $3)";
        sqlx::query(sql).bind(queue.workflow).bind(queue.stage).bind(actor).execute(&self.pool).await?;
        Ok(())
    }

    /// All that are in force.
    pub(crate) async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let sql = "select workflow, stage, reason, paused_by, paused_at from piton.pauses_overview
                   order by workflow nulls first, stage nulls first";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }
}
