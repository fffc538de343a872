//! What is there of an attempt that a test has made where a worker's is a row in the database.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::task::JoinHandle;

use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, ClaimToken, NO_ITEM, RunKey, VersionId, WorkerId, WorkflowId};
use crate::model::payload::Payload;
use crate::model::place::Place;
use crate::model::retry::RetryPolicy;
use crate::stage::own_rows::{AttemptEnd, RowsAnswer};
use crate::store::own_rows::RowsTransaction;

#[derive(Debug)]
pub(super) struct TestEnd {
    /// Nothing is retried any more.
    pub(super) is_last: bool,
}

impl AttemptEnd for TestEnd {
    fn commit(self: Arc<Self>, transaction: RowsTransaction, _: Payload) -> JoinHandle<RowsAnswer> {
        tokio::spawn(
            async move { transaction.commit().await.map_or_else(RowsAnswer::RolledBack, |()| RowsAnswer::Landed) },
        )
    }

    fn policy(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        if self.is_last {
            policy.max_retries = 0;
        }
        policy
    }
}

/// Numbers that mean nothing: nobody else has the job.
pub(super) fn claim(item: Option<u32>, attempt: u32) -> Claim {
    let item = item.and_then(|item| i32::try_from(item).ok()).unwrap_or(NO_ITEM);
    let attempt = i32::try_from(attempt).unwrap_or(i32::MAX);
    Claim {
        key: AttemptKey { run: RunKey(1), job: 1, stage: 0, item, attempt, token: ClaimToken(1) },
        until: 0,
        workflow: WorkflowId(1),
        version: VersionId(1),
        worker: WorkerId(1),
        started_at: DateTime::UNIX_EPOCH,
        waited: Duration::ZERO,
        place: Place { rank: 0, due_at: DateTime::UNIX_EPOCH },
        in_a_row: 0,
    }
}
