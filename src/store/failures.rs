//! Failures on record, job by job, for trying out retry policies.

use chrono::{DateTime, Utc};

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::{RunId, VersionId};

/// One failed attempt, and what is known of its job.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct FailureRow {
    #[sqlx(try_from = "sqlx::types::Uuid")]
    pub(crate) run: RunId,
    #[sqlx(try_from = "i64")]
    pub(crate) version: VersionId,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    pub(crate) class: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) ended_at: DateTime<Utc>,
    /// It was the last word: no retry followed.
    pub(crate) given_up: bool,
    /// The job has its checkpoint.
    pub(crate) done: bool,
}

impl From<sqlx::types::Uuid> for RunId {
    fn from(uuid: sqlx::types::Uuid) -> RunId {
        RunId(uuid)
    }
}

impl From<i64> for VersionId {
    fn from(id: i64) -> VersionId {
        VersionId(id)
    }
}

impl Store {
    /// Failed attempts at jobs of a workflow that failed last within that many seconds, by job and attempt; of the latest
    /// runs first, and at most that many. Reads the runs of that workflow.
    pub(crate) async fn failures(
        &self,
        workflow: &str,
        seconds: f64,
        most: i64,
    ) -> Result<Vec<FailureRow>, StoreError> {
        let rows = sqlx::query_as(
            "select r.uuid as run, r.version_id as version, a.stage, a.item, a.class,
                    a.started_at, a.ended_at,
                    a.retry_at is null as given_up, k.run_id is not null as done
             from piton.workflows w
             join piton.workflow_versions v on v.workflow_id = w.id
             join piton.runs r on r.version_id = v.id
             join piton.attempts a on a.run_id = r.id and a.outcome = 'failed'
             left join piton.checkpoints k on k.run_id = a.run_id and k.stage = a.stage and k.item = a.item
             where w.name = $1 and a.ended_at > now() - $2 * interval '1 second'
             order by r.id desc, a.stage, a.item, a.attempt
             limit $3",
        )
        .bind(workflow)
        .bind(seconds)
        .bind(most)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}
