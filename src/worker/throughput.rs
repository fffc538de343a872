//! Adds this worker's counts to the totals, a few times a minute and only if there are any. A worker that dies takes its last
//! counts with it, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::id::WorkerId;
use crate::queue::catalog::Catalog;
use crate::store::throughput::Addition;
use crate::store::{Store, StoreError};

/// Between two additions at most.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// An addition without an answer is sent again for so long: the database knows it again for twice the time.
const TRIED_FOR: Duration = Duration::from_secs(600);
/// A worker that ends tries so often, and waits so long in between.
const LAST_TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

pub(super) struct Throughput {
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) boot: watch::Receiver<WorkerId>,
    pub(super) every: Duration,
    pub(super) additions: Additions,
}

/// What was added last, and what is being added.
pub(super) struct Additions {
    number: i64,
    since: Instant,
    /// What had no answer yet, and since when.
    unanswered: Option<(Addition, Instant)>,
}

impl Default for Additions {
    fn default() -> Self {
        Additions { number: 0, since: Instant::now(), unanswered: None }
    }
}

impl Throughput {
    /// Until told to stop, and then once more.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.every)).await.is_some() {
            self.has_told().await;
        }
        // Every connection of the pool may be one that was lost meanwhile.
        for _ in 0..LAST_TRIES {
            if self.has_told().await {
                break;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    async fn has_told(&mut self) -> bool {
        let added = self.add().await;
        if let Err(error) = &added {
            tracing::debug!("what was done is counted later: {error}");
        }
        added.is_ok()
    }

    async fn add(&mut self) -> Result<(), StoreError> {
        // What was counted since waits where it is, so that a number always stands for the same counts.
        if let Some((addition, asked)) = &self.additions.unanswered
            && asked.elapsed() <= TRIED_FOR
        {
            self.store.add_throughput(addition).await?;
        }
        self.additions.unanswered = None;
        let (now, counts) = (Instant::now(), self.catalog.take_counts());
        let over = now - std::mem::replace(&mut self.additions.since, now);
        if counts.is_empty() {
            return Ok(());
        }
        self.additions.number += 1;
        let addition = Addition { worker: *self.boot.borrow(), number: self.additions.number, over, counts };
        let (addition, _) = self.additions.unanswered.insert((addition, now));
        self.store.add_throughput(addition).await?;
        self.additions.unanswered = None;
        Ok(())
    }
}
