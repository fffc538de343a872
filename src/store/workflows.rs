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
        let workflow = self.workflow_id(name).await?;
        let version = loop {
            // Empty when another process registers it at this moment: its row is in the next statement's snapshot.
            let found: Option<i64> = sqlx::query_scalar(
                "with new as (
                     insert into piton.workflow_versions (workflow_id, digest, definition) values ($1, $2, $3::json)
                     on conflict (workflow_id, digest) do nothing returning id)
                 select id from piton.workflow_versions where workflow_id = $1 and digest = $2
                 union all select id from new",
            )
            .bind(workflow)
            .bind(&digest[..])
            .bind(definition)
            .fetch_optional(&self.pool)
            .await?;
            if let Some(id) = found {
                break id;
            }
        };
        Ok((WorkflowId(workflow), VersionId(version)))
    }

    async fn workflow_id(&self, name: &str) -> Result<i64, StoreError> {
        loop {
            let found: Option<i64> = sqlx::query_scalar(
                "with new as (insert into piton.workflows (name) values ($1) on conflict (name) do nothing returning id)
                 select id from piton.workflows where name = $1 union all select id from new",
            )
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
            if let Some(id) = found {
                return Ok(id);
            }
        }
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
