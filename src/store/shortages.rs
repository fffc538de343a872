//! What workers lack, at this moment, for stages that they otherwise have everything for.

use serde::Serialize;
use serde_json::value::to_raw_value;
use sqlx::types::Json;

use super::{Store, StoreError};
use crate::model::id::WorkerId;

/// Of one stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Shortage {
    pub(crate) version: i64,
    pub(crate) stage: i16,
    /// In words.
    pub(crate) lacks: &'static str,
}

impl Store {
    /// A boot that has ended reports nothing any more.
    pub(crate) async fn report_shortages(&self, me: WorkerId, shortages: &[Shortage]) -> Result<(), StoreError> {
        let all = to_raw_value(shortages).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let sql = "update piton.workers set shortages = $2 where id = $1 and stopped_at is null";
        sqlx::query(sql).bind(me.0).bind(Json(all)).execute(&self.pool).await?;
        Ok(())
    }
}
