//! Writes the progress that running stages report, and stops attempts whose claims no longer hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::queue::slots::Slots;
use crate::store::{Store, StoreError};

pub(super) struct Progress {
    pub(super) store: Store,
    pub(super) slots: Arc<Slots>,
    pub(super) every: Duration,
    /// Claims that are older are asked after that often, also those that say nothing.
    pub(super) ask_after: Duration,
}

impl Progress {
    pub(super) async fn run(self, stop: CancellationToken) {
        let writing = async {
            let mut asked = Instant::now();
            loop {
                tokio::time::sleep(self.every).await;
                let all = asked.elapsed() >= self.ask_after;
                match self.touch(all).await {
                    Ok(()) if all => asked = Instant::now(),
                    Ok(()) => {}
                    // The looks tell of a database that is away.
                    Err(error) => tracing::debug!("progress waits: {error}"),
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = writing => {}
        }
    }

    async fn touch(&self, all: bool) -> Result<(), StoreError> {
        let claims = self.slots.to_touch(all, self.ask_after);
        if claims.is_empty() {
            return Ok(());
        }
        for position in self.store.touch(&claims).await? {
            if let Some((claim, _)) = claims.get(position) {
                self.slots.cancel(&claim.key);
                // Where the database went back in time, it may count another claim to this boot instead.
                self.slots.suspect_strays();
            }
        }
        Ok(())
    }
}
