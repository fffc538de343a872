//! What a retry of dead letters would do.

use sqlx::types::Uuid;

use super::dead_letters::Origin;
use super::{Store, StoreError};
use crate::model::payload::Payload;

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
    /// Is refused as the retry of that one would be: it is done and taken back, so that no second list of what may keep it from being
    /// done has to be kept in step.
    pub(crate) async fn try_retry(
        &self,
        id: Uuid,
        from: Origin<'_>,
        input: Option<&Payload>,
    ) -> Result<(), StoreError> {
        let (stage, beginning) = from.parameters();
        let sql = "select piton.retry_dead_letter($1, from_stage => $2, from_beginning => $3, input => $4::json)";
        let mut trial = self.pool.begin().await?;
        let tried = sqlx::query(sql).bind(id).bind(stage).bind(beginning).bind(input.map(Payload::as_str));
        tried.execute(&mut *trial).await?;
        trial.rollback().await?;
        Ok(())
    }

    /// By workflow and stage; or a refusal, with the reason, as the retry would be refused.
    pub(crate) async fn retry_preview(&self, ids: &[Uuid], from: Origin<'_>) -> Result<Vec<PreviewRow>, StoreError> {
        let (stage, beginning) = from.parameters();
        let sql = "select * from piton.retry_preview($1, $2, $3)";
        Ok(sqlx::query_as(sql).bind(ids).bind(stage).bind(beginning).fetch_all(&self.pool).await?)
    }
}
