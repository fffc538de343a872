//! Why nothing moves: what runs wait for, counted or one by one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Uuid;

use super::moment::MaybeMoment;
use super::{Store, StoreError};
use crate::model::id::RunId;

/// Jobs of one stage that wait for the same reason.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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

/// Jobs or dead letters of one stage of one run that wait for the same reason.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct RunWait {
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) jobs: i64,
    /// The first of them, where they are items of a fanned-out stage.
    pub(crate) item: Option<i32>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) oldest_since: Option<DateTime<Utc>>,
    pub(crate) why: String,
    /// What would move them: what to type, where that is up to people.
    pub(crate) moves: String,
}

impl RunWait {
    /// It goes on only when somebody types something.
    pub(crate) fn is_up_to_people(&self) -> bool {
        self.moves.starts_with("piton ")
    }
}

impl Store {
    /// All that is live or was given up, counted by stage and reason.
    pub(crate) async fn waiting_groups(&self, workflow: Option<&str>) -> Result<Vec<WaitingGroup>, StoreError> {
        let sql = "select workflow, stage, reason, jobs, oldest_since, why, moves from piton.waiting_overview
                   where $1::text is null or workflow = $1 order by workflow, stage, reason";
        Ok(sqlx::query_as(sql).bind(workflow).fetch_all(&self.pool).await?)
    }

    /// What one run waits for, counted by stage and reason; what somebody must act on comes first.
    pub(crate) async fn run_waits(&self, run: RunId) -> Result<Vec<RunWait>, StoreError> {
        let sql = "select stage, reason, jobs, item, oldest_since, why, moves from piton.run_waits($1)
                   order by moves not like 'piton %', oldest_since nulls last, stage, reason";
        Ok(sqlx::query_as(sql).bind(run.0).fetch_all(&self.pool).await?)
    }

    /// What one run waits for, one by one.
    pub(crate) async fn waiting(&self, run: RunId, most: i64) -> Result<Vec<Waiting>, StoreError> {
        let sql = "select run, workflow, stage, item, reason, why, moves, since, attempt from piton.why_waiting
                   where run = $1 order by since nulls last limit $2";
        Ok(sqlx::query_as(sql).bind(run.0).bind(most).fetch_all(&self.pool).await?)
    }
}
