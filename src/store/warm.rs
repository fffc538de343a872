//! Which processes of warm stages workers keep.

use serde_json::value::RawValue;

use super::{Store, StoreError};
use crate::model::id::WorkerId;

/// The processes of one stage on one worker, by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct WarmPrograms {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// They load what they need.
    pub(crate) starting: i64,
    /// They wait for a job.
    pub(crate) idle: i64,
    /// They do one.
    pub(crate) busy: i64,
    /// They take no job any more.
    pub(crate) stopping: i64,
}

impl WarmPrograms {
    pub(crate) fn all(&self) -> i64 {
        self.starting + self.idle + self.busy + self.stopping
    }
}

impl Store {
    /// A boot that has ended reports nothing any more.
    pub(crate) async fn report_warm_programs(&self, me: WorkerId, programs: &[WarmPrograms]) -> Result<(), StoreError> {
        let programs =
            serde_json::value::to_raw_value(programs).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "update piton.workers set warm = $2 where id = $1 and stopped_at is null";
        let programs: &RawValue = &programs;
        sqlx::query(sql).bind(me.0).bind(sqlx::types::Json(programs)).execute(&self.pool).await?;
        Ok(())
    }
}
