//! What is there of an attempt that a test has made where a worker's is a row in the database.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, NO_ITEM};
use crate::model::payload::Payload;
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
    let made_up = Claim::made_up();
    Claim { key: AttemptKey { item, attempt, ..made_up.key }, ..made_up }
}
