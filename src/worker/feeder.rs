//! Feeds batches: starts more of their runs when there is room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::queue::monitor::Monitor;
use crate::store::Store;

/// Runs of one batch that one statement starts.
const AT_ONCE: i32 = 2000;
/// Between two feeds: runs that end meanwhile share the next one.
const PAUSE: Duration = Duration::from_millis(50);
/// Feeding takes at most one part in this many of the time, and one more: a large cap makes feeds slow.
const SHARE: u32 = 3;

pub(super) struct Feeder {
    pub(super) store: Store,
    pub(super) monitor: Arc<Monitor>,
}

impl Feeder {
    /// Until told to stop. What was not fed then is due for the next look of any worker.
    pub(super) async fn run(self, stop: CancellationToken) {
        let feeding = async {
            loop {
                self.monitor.feeding.wanted().await;
                let begun = Instant::now();
                match self.store.feed_batches(AT_ONCE).await {
                    Ok(true) => self.monitor.feeding.now(),
                    Ok(false) => {}
                    // The look, which comes again, tells of a database that is away.
                    Err(error) => tracing::debug!("batches wait: {error}"),
                }
                tokio::time::sleep(PAUSE.max(begun.elapsed() * SHARE)).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = feeding => {}
        }
    }
}
