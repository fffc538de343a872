//! Versions of workflows: which one is current, by itself or by decision.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::id::{VersionId, WorkflowId};

/// A version, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = WorkflowVersion))]
pub(crate) struct VersionRow {
    /// First twelve digits of its digest.
    pub(crate) version: String,
    /// It is the one that runs are started of, and whose limits hold.
    pub(crate) current: bool,
    /// Since when it is current; nothing where an older Piton made it so.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) current_since: Option<DateTime<Utc>>,
    /// Who made it current.
    pub(crate) current_by: Option<String>,
    /// When a process first registered it.
    #[sqlx(try_from = "Moment")]
    pub(crate) registered_at: DateTime<Utc>,
    /// When it was deployed last; nothing while it never was.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) deployed_at: Option<DateTime<Utc>>,
    /// Who deployed it then; nothing where an older Piton did not keep it.
    pub(crate) deployed_by: Option<String>,
    /// The version that it replaced then: where a rollback goes back to.
    pub(crate) replaced: Option<String>,
    /// All of its digest, SHA-256 of what the version says.
    pub(crate) digest: String,
}

const COLUMNS: &str =
    "o.version, o.current, o.current_since, o.current_by, o.registered_at, o.deployed_at, o.deployed_by, o.replaced, o.digest
    from piton.versions_overview o";

impl Store {
    /// Makes a version current that never was; tells whether it did. Its stages keep to pauses and limits either way.
    pub(crate) async fn deploy_if_new(
        &self,
        workflow: WorkflowId,
        version: VersionId,
        actor: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let sql = through_a_face!("piton.deploy_if_new($2, $3, $4)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(workflow.0).bind(version.0);
        Ok(asked.bind(actor.name).fetch_one(&self.pool).await?)
    }

    /// For a version that is registered and not deployed: its stages keep to pauses and limits.
    pub(crate) async fn renew_stages(&self, workflow: WorkflowId) -> Result<(), StoreError> {
        sqlx::query("select piton.renew_stages($1)").bind(workflow.0).execute(&self.pool).await?;
        Ok(())
    }

    /// Makes the version current whose digest begins so, and returns all of the digest; or is refused with the reason.
    pub(crate) async fn deploy_workflow(
        &self,
        workflow: &str,
        digest: &str,
        reason: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<String, StoreError> {
        let sql = through_a_face!("piton.deploy_workflow($2, $3, $4, $5)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(workflow).bind(digest).bind(reason);
        Ok(asked.bind(actor.name).fetch_one(&self.pool).await?)
    }

    /// The same with the version that the current one has replaced, or the one that is named.
    pub(crate) async fn rollback_workflow(
        &self,
        workflow: &str,
        digest: Option<&str>,
        reason: Option<&str>,
        actor: Actor<'_>,
    ) -> Result<String, StoreError> {
        let sql = through_a_face!("piton.rollback_workflow($2, $3, $4, $5)");
        let asked = sqlx::query_scalar(sql).bind(actor.face.as_str()).bind(workflow).bind(digest).bind(reason);
        Ok(asked.bind(actor.name).fetch_one(&self.pool).await?)
    }

    /// All versions of a workflow, the newest first.
    pub(crate) async fn versions(&self, workflow: &str) -> Result<Vec<VersionRow>, StoreError> {
        let sql = format!("select {COLUMNS} where o.workflow = $1 order by o.registered_at desc, o.digest");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(workflow).fetch_all(&self.pool).await?)
    }

    /// The current version of every workflow, with the workflow's name.
    pub(crate) async fn current_versions(&self) -> Result<Vec<(String, VersionRow)>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct Named {
            workflow: String,
            #[sqlx(flatten)]
            version: VersionRow,
        }
        let sql = format!("select o.workflow, {COLUMNS} where o.current order by o.workflow");
        let rows: Vec<Named> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (row.workflow, row.version)).collect())
    }
}
