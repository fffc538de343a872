//! Why nothing moves: what runs wait for, counted, or one by one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Uuid;
use utoipa::ToSchema;

use super::moment::MaybeMoment;
use super::{Store, StoreError};
use crate::model::id::RunId;

/// Jobs of one stage that wait for the same reason.
#[derive(Debug, Clone, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct WaitingGroup {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) jobs: i64,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) oldest_since: Option<DateTime<Utc>>,
    pub(crate) why: String,
    pub(crate) moves: String,
}

/// One thing that a run waits for.
#[derive(Debug, Clone, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct Waiting {
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) reason: String,
    pub(crate) why: String,
    pub(crate) moves: String,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) attempt: Option<i32>,
}

impl Store {
    /// All that is live or was given up, counted by stage and reason.
    pub(crate) async fn waiting_groups(&self, workflow: Option<&str>) -> Result<Vec<WaitingGroup>, StoreError> {
        let sql = "select workflow, stage, reason, jobs, oldest_since, why, moves from piton.waiting_overview
                   where $1::text is null or workflow = $1 order by workflow, stage, reason";
        Ok(sqlx::query_as(sql).bind(workflow).fetch_all(&self.pool).await?)
    }

    /// What one run waits for.
    pub(crate) async fn waiting(&self, run: RunId, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let sql = "select run, workflow, stage, item, reason, why, moves, since, attempt from piton.why_waiting
                   where run = $1 order by since nulls last limit $2";
        Ok(sqlx::query_as(sql).bind(run.0).bind(most).fetch_all(&self.pool).await?)
    }
}
