//! Reads checkpoints only to see whether they are what was committed.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::{RunKey, VersionId};

/// A checkpoint with all that can be held against it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Recorded {
    pub(crate) run_id: i64,
    pub(crate) run: Uuid,
    pub(crate) version_id: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) run_started_at: DateTime<Utc>,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) finished_at: DateTime<Utc>,
    pub(crate) bytes: i32,
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
    /// Why there is none, where the job was skipped.
    pub(crate) skipped: Option<String>,
}

impl Recorded {
    pub(crate) fn version(&self) -> VersionId {
        VersionId(self.version_id)
    }
}

/// A stage of a finished run that lacks a checkpoint, or items.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Lacking {
    pub(crate) run: Uuid,
    pub(crate) stage: String,
    /// Items that its record counts, and those that have a checkpoint; none where the record itself is missing.
    pub(crate) items: Option<i64>,
    pub(crate) found: i64,
}

/// How much is read at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
}

impl Store {
    /// The next checkpoints in the order of their keys, behind that one; of one run or of all.
    pub(crate) async fn recorded(
        &self,
        run: Option<RunKey>,
        (after_run, after_stage, after_item): (i64, i16, i32),
        page: Page,
    ) -> Result<Vec<Recorded>, StoreError> {
        let (first, last) = span(run);
        let rows = sqlx::query_as(include_str!("sql/verify_checkpoints.sql"))
            .bind(after_run.max(first))
            .bind(if after_run < first { i16::MIN } else { after_stage })
            .bind(if after_run < first { i32::MIN } else { after_item })
            .bind(last)
            .bind(page.rows)
            .bind(page.bytes)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// Stages of finished runs that lack something; of one run or of all.
    pub(crate) async fn lacking(&self, run: Option<RunKey>) -> Result<Vec<Lacking>, StoreError> {
        let (first, last) = span(run);
        let rows =
            sqlx::query_as(include_str!("sql/verify_stages.sql")).bind(first).bind(last).fetch_all(&self.pool).await?;
        Ok(rows)
    }
}

/// The numbers of the runs that are asked about, from the first to the last: a condition on the key, where "all of them, or that
/// one" would be none.
fn span(run: Option<RunKey>) -> (i64, i64) {
    run.map_or((i64::MIN, i64::MAX), |run| (run.0, run.0))
}
