//! What is paused.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::moment::Moment;
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;

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
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Pause {
    pub(crate) workflow: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) reason: String,
    pub(crate) paused_by: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) paused_at: DateTime<Utc>,
}

impl Store {
    /// Nothing of it is claimed any more; or is refused with the reason.
    pub(crate) async fn pause(&self, queue: Queue<'_>, reason: &str, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.pause($2, $3, $4, $5)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(reason).bind(queue.workflow).bind(queue.stage);
        let asked = asked.bind(actor.name);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// It goes on; or is refused with the reason.
    pub(crate) async fn resume(
        &self,
        queue: Queue<'_>,
        reason: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.resume($2, $3, $4, $5)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(queue.workflow).bind(queue.stage);
        asked.bind(actor.name).bind(reason).execute(&self.pool).await?;
        Ok(())
    }

    /// All that are in force.
    pub(crate) async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let sql = "select workflow, stage, reason, paused_by, paused_at from piton.pauses_overview
                   order by workflow nulls first, stage nulls first";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }
}
