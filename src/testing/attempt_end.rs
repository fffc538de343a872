//! The end of an attempt that a test has made.

use std::sync::Arc;

use tokio::task::JoinHandle;

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
        tokio::spawn(async move { transaction.commit().await.map_or_else(RowsAnswer::RolledBack, |()| RowsAnswer::Landed) })
    }

    fn policy(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        if self.is_last {
            policy.max_retries = 0;
        }
        policy
    }
}
