//! Steps inside stages: recorded once, read back by later attempts.

use super::fence::fence;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::payload::Payload;

/// A recorded step as it was read.
#[derive(Debug, Clone)]
pub(crate) struct StoredStep {
    pub(crate) name: String,
    pub(crate) digest: Vec<u8>,
    pub(crate) output: String,
}

impl Store {
    /// What earlier attempts at the claim's job have recorded.
    pub(crate) async fn steps(&self, claim: &Claim) -> Result<Vec<StoredStep>, StoreError> {
        let rows: Vec<(String, Vec<u8>, String)> = sqlx::query_as(
            "select name, digest, output::text from piton.steps where run_id = $1 and stage = $2 and item = $3",
        )
        .bind(claim.key.run.0)
        .bind(claim.key.stage)
        .bind(claim.key.item)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(name, digest, output)| StoredStep { name, digest, output }).collect())
    }

    /// Records a step; `false` when the claim no longer holds, and nothing was recorded. May be sent again.
    pub(crate) async fn record_step(&self, claim: &Claim, name: &str, output: &Payload) -> Result<bool, StoreError> {
        let holds = sqlx::query_scalar_with(include_str!("sql/step.sql"), fence(claim)?)
            .bind(name)
            .bind(output.digest().to_vec())
            .bind(output.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(holds)
    }
}
