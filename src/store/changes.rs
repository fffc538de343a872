//! What changed, and by whom.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::moment::Moment;
use super::{Store, StoreError};

/// Something that is not as it was before, or many alike of one minute.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Change {
    #[sqlx(try_from = "Moment")]
    pub(crate) at: DateTime<Utc>,
    /// `version`, `limit`, `pause`, `schema`, `build`, `cause`, `decision`, `cancel`, `batch` or `cleanup`.
    pub(crate) kind: String,
    /// Empty for what concerns all of them.
    pub(crate) workflow: Option<String>,
    /// What was changed, by its name or id; one of them where there are many.
    pub(crate) subject: String,
    /// How many there are.
    pub(crate) times: i64,
    /// In words.
    pub(crate) what: String,
    pub(crate) who: Option<String>,
    /// `sql`, `cli`, `api` or `worker`.
    pub(crate) face: Option<String>,
    /// The reason that was given.
    pub(crate) why: Option<String>,
}

impl Store {
    /// Of one workflow or of all, the newest `most` of them in their order.
    pub(crate) async fn changes(
        &self,
        since: DateTime<Utc>,
        workflow: Option<&str>,
        most: i64,
    ) -> Result<Vec<Change>, StoreError> {
        let sql =
            "select at, kind, workflow, subject, times, what, who, face, why from piton.changes($1, $2) with ordinality
                   order by ordinality desc limit $3";
        let asked = sqlx::query_as(sql).bind(Moment(since)).bind(workflow).bind(most);
        let mut changes: Vec<Change> = asked.fetch_all(&self.pool).await?;
        changes.reverse();
        Ok(changes)
    }
}
