//! What a retry of dead letters would do.

use sqlx::types::Uuid;

use super::dead_letters::Origin;
use super::{Store, StoreError};

/// One stage of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = RetryPreviewStage))]
pub(crate) struct PreviewRow {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// Dead letters of the stage that go on.
    pub(crate) letters: i64,
    /// Runs that have a part in the stage's numbers.
    pub(crate) runs: i64,
    /// Checkpoints that stay, and that the runs go on from.
    pub(crate) kept: i64,
    /// Jobs that run again: whole stages, or items of fanned-out ones.
    pub(crate) again: i64,
    /// Runs for which the stage comes later, for the first time.
    pub(crate) first_time: i64,
    /// Attempts that the jobs which run again have had.
    pub(crate) attempts: i64,
    /// Seconds that those attempts took.
    pub(crate) seconds: f64,
    /// Limits of the stage, in words.
    pub(crate) limits: Option<String>,
    /// Seconds that the limits need at least for the jobs that run again, if these take as long as before.
    pub(crate) least_seconds: Option<f64>,
    /// It is paused: nothing of it begins.
    pub(crate) paused: bool,
}

impl Store {
    /// By workflow and stage; or a refusal, with the reason, as the retry would be refused.
    pub(crate) async fn retry_preview(&self, ids: &[Uuid], from: Origin<'_>) -> Result<Vec<PreviewRow>, StoreError> {
        let (stage, beginning) = from.parameters();
        let sql = "select * from piton.retry_preview($1, $2, $3)";
        Ok(sqlx::query_as(sql).bind(ids).bind(stage).bind(beginning).fetch_all(&self.pool).await?)
    }
}
