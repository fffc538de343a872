//! Ends runs whose deadline has passed. That may cost a great many jobs, so nobody waits for it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::store::Store;

pub(super) struct Deadlines {
    pub(super) store: Store,
    /// A look has seen one.
    pub(super) overdue: Arc<Notify>,
}

impl Deadlines {
    /// Until told to stop. What was not ended then, the next look of any worker finds.
    pub(super) async fn run(self, stop: CancellationToken) {
        let ending = async {
            loop {
                self.overdue.notified().await;
                match self.store.end_overdue_runs().await {
                    Ok(ended) => ended.iter().for_each(|run| events::decision::cancelled(run, "piton")),
                    Err(error) => tracing::debug!("deadlines wait for the next look: {error}"),
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = ending => {}
        }
    }
}
