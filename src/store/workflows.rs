//! Workflows and their versions.

use chrono::{DateTime, Utc};

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError};
use crate::model::id::{VersionId, WorkflowId};
use crate::workflow::definition::Workflow;
use crate::workflow::plan::Plan;
use crate::workflow::stored::StoredError;

/// A workflow, and its current version.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct WorkflowRow {
    pub(crate) workflow: String,
    /// None where an older Piton left no plan.
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) versions: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) registered_at: DateTime<Utc>,
    /// None where an older Piton made its version current.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) current_since: Option<DateTime<Utc>>,
    pub(crate) current_by: Option<String>,
    /// Asked for with a name alone.
    pub(crate) definition: Option<String>,
}

impl Store {
    /// All workflows by name; or the one of that name, with its definition.
    pub(crate) async fn workflows(&self, name: Option<&str>) -> Result<Vec<WorkflowRow>, StoreError> {
        let sql = "select w.name as workflow, v.digest, w.registered_at, w.current_since, w.current_by,
                          (select count(*) from piton.workflow_versions a where a.workflow_id = w.id) as versions,
                          case when $1::text is not null then v.definition::text end as definition
                   from piton.workflows w left join piton.workflow_versions v on v.id = w.current_version_id
                   where $1::text is null or w.name = $1 order by w.name";
        Ok(sqlx::query_as(sql).bind(name).fetch_all(&self.pool).await?)
    }

    /// Registers a definition under its name and digest. The same definition gets the same ids again.
    ///
    /// What is registered is not deployed by that: see `deploy_if_new` and `renew_stages`, one of which has to follow. What
    /// stands under its digest and is another one is refused. A version that an older Piton registered gets
    /// the plan it lacks.
    pub(crate) async fn register_workflow(
        &self,
        name: &str,
        digest: [u8; 32],
        definition: &str,
        plan: &Plan,
    ) -> Result<(WorkflowId, VersionId), StoreError> {
        let workflow = self.workflow_id(name).await?;
        let (join_stages, join_missing): (Vec<i16>, Vec<i32>) = plan.joins.iter().copied().unzip();
        let version = loop {
            // Empty when another process registers it at this moment: its row is in the next statement's snapshot.
            let found: Option<(i64, bool)> = sqlx::query_as(
                "with new as (
                     insert into piton.workflow_versions
                         (id, workflow_id, digest, definition, start_stages, join_stages, join_missing, input_keys, stage_names)
                     overriding system value
                     values ($7, $1, $2, $3::json, $4, $5, $6, $3::json -> 'input', array(
                         select s.definition ->> 'name'
                         from json_array_elements($3::json -> 'stages') with ordinality as s (definition, place)
                         order by s.place))
                     on conflict do nothing
                     returning id),
                 planned as (
                     update piton.workflow_versions
                     set start_stages = $4, join_stages = $5, join_missing = $6
                     where workflow_id = $1 and digest = $2 and start_stages is null)
                 select id, definition::text = $3::json::text
                 from piton.workflow_versions where workflow_id = $1 and digest = $2
                 union all select id, true from new",
            )
            .bind(workflow)
            .bind(&digest[..])
            .bind(definition)
            .bind(&plan.start)
            .bind(&join_stages)
            .bind(&join_missing)
            .bind(VersionId::of(&digest).0)
            .fetch_optional(&self.pool)
            .await?;
            match found {
                Some((id, true)) => break VersionId(id),
                Some((id, false)) => return Err(altered(name, VersionId(id), &StoredError::Altered)),
                None => {}
            }
        };
        Ok((WorkflowId(workflow), version))
    }

    async fn workflow_id(&self, name: &str) -> Result<i64, StoreError> {
        loop {
            let found: Option<i64> = sqlx::query_scalar(
                "with new as (
                     insert into piton.workflows (id, name) overriding system value values ($2, $1)
                     on conflict do nothing returning id)
                 select id from piton.workflows where name = $1 union all select id from new",
            )
            .bind(name)
            .bind(WorkflowId::of(name).0)
            .fetch_optional(&self.pool)
            .await?;
            if let Some(id) = found {
                return Ok(id);
            }
        }
    }

    /// The workflow and the definition of a version, if it is what was registered.
    pub(crate) async fn workflow_version(&self, version: VersionId) -> Result<(WorkflowId, Workflow), StoreError> {
        let sql = "select w.id, w.name, v.definition::text, v.digest
                   from piton.workflow_versions v join piton.workflows w on w.id = v.workflow_id where v.id = $1";
        let (workflow, name, definition, digest): (i64, String, String, Vec<u8>) =
            sqlx::query_as(sql).bind(version.0).fetch_one(&self.pool).await?;
        let read = Workflow::from_stored(&definition, &digest);
        Ok((WorkflowId(workflow), read.map_err(|error| altered(&name, version, &error))?))
    }
}

fn altered(name: &str, version: VersionId, error: &StoredError) -> StoreError {
    StoreError::Damaged(format!(
        "a definition of workflow `{name}` (piton.workflow_versions, id {version}) that is not used: {error}. Put it back as it \
         was from a backup and restart the workers, or change its file and start its runs again"
    ))
}
