//! Cleans up on a timer: one worker at a time, for all of them.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::cleanup::{self, Plan};
use crate::model::id::WorkerId;
use crate::store::{Store, StoreError};

/// After its start a worker has better things to do.
const FIRST: Duration = Duration::from_secs(60);
/// A worker that has not come back after this many intervals leaves it to the others.
const INTERVALS_PER_LEASE: u32 = 2;

/// Runs go when their artifacts are gone, batches when their runs are, workers and versions when nothing refers to them any more.
const IN_ORDER: [&str; 5] = ["artifacts", "runs", "batches", "workers", "versions"];

pub(super) struct Cleaner {
    pub(super) store: Store,
    pub(super) artifacts: Option<Artifacts>,
    pub(super) boot: watch::Receiver<WorkerId>,
    /// Between two cleanups.
    pub(super) every: Duration,
}

impl Cleaner {
    /// Until told to stop; what it was at then goes on with the next one.
    pub(super) async fn run(self, stop: CancellationToken) {
        let cleaning = async {
            tokio::time::sleep(self.every.min(FIRST)).await;
            loop {
                if let Err(error) = self.clean().await {
                    tracing::warn!("cleanup waits: {error}");
                }
                tokio::time::sleep(self.every).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = cleaning => {}
        }
    }

    /// What was cut short first, and then all that is due.
    async fn clean(&self) -> Result<(), StoreError> {
        let boot = *self.boot.borrow();
        if !self.store.take_cleanup(boot, self.every * INTERVALS_PER_LEASE).await? {
            return Ok(());
        }
        for plan in self.store.unfinished_cleanups().await? {
            cleanup::run(&self.store, self.artifacts.as_ref(), Plan::Unseen(plan), None).await?;
        }
        for what in IN_ORDER {
            self.clean_all(what).await?;
        }
        // Workers of the release before may still write theirs.
        let renewed = self.store.renew_fingerprints().await?;
        if renewed > 0 {
            tracing::info!(renewed, "dead letters of an older Piton have fingerprints of this one");
        }
        Ok(())
    }

    /// One kind, part by part: however much there is, it is gone over once.
    async fn clean_all(&self, what: &str) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let part = self.store.plan_next_cleanup(what, after.as_deref(), cleanup::PLANNED).await?;
            if let Some(plan) = part.plan {
                let groups = cleanup::run(&self.store, self.artifacts.as_ref(), Plan::Unseen(plan), None).await?;
                let (deleted, errors) = groups.iter().fold((0, 0), |sum, g| (sum.0 + g.deleted, sum.1 + g.errors));
                if deleted + errors > 0 {
                    tracing::info!(%plan, deleted, errors, "cleaned up; piton.cleanups_overview tells what");
                }
            }
            if part.last.is_none() {
                return Ok(());
            }
            after = part.last;
        }
    }
}
