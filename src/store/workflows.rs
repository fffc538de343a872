//! Workflows and their versions.

use super::{Store, StoreError};
use crate::model::id::{VersionId, WorkflowId};

impl Store {
    /// Registers a definition under its name and digest; the same definition gets the same ids again.
    pub(crate) async fn register_workflow(
        &self,
        name: &str,
        digest: [u8; 32],
        definition: &str,
    ) -> Result<(WorkflowId, VersionId), StoreError> {
        let workflow: i64 = sqlx::query_scalar(
            "with new as (insert into piton.workflows (name) values ($1) on conflict (name) do nothing returning id)
             select id from new union all select id from piton.workflows where name = $1 limit 1",
        )
        .bind(name)
        .fetch_one(&self.pool)
        .await?;
        let version: i64 = sqlx::query_scalar(
            "with new as (
                 insert into piton.workflow_versions (workflow_id, digest, definition) values ($1, $2, $3::json)
                 on conflict (workflow_id, digest) do nothing returning id)
             select id from new union all
             select id from piton.workflow_versions where workflow_id = $1 and digest = $2 limit 1",
        )
        .bind(workflow)
        .bind(&digest[..])
        .bind(definition)
        .fetch_one(&self.pool)
        .await?;
        Ok((WorkflowId(workflow), VersionId(version)))
    }

    /// The workflow and the stored definition of a version.
    pub(crate) async fn workflow_version(&self, version: VersionId) -> Result<(WorkflowId, String), StoreError> {
        let (workflow, definition): (i64, String) =
            sqlx::query_as("select workflow_id, definition::text from piton.workflow_versions where id = $1")
                .bind(version.0)
                .fetch_one(&self.pool)
                .await?;
        Ok((WorkflowId(workflow), definition))
    }
}
