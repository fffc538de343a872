//! Claims jobs for free slots whenever it is woken.

mod begin;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::aside::{self, Left};
use super::catalog::Catalog;
use super::cursors::Cursors;
use super::ended::Ended;
use super::ends::Ends;
use super::monitor::Monitor;
use super::slots::Slots;
use super::starter::Starter;
use super::version::Version;
use super::wake::Wake;
use crate::meters::batches::BatchMeters;
use crate::meters::part::Part;
use crate::model::claim::Claim;
use crate::model::id::{VersionId, WorkerId};
use crate::model::payload::PayloadLimits;
use crate::store::backoff::Backoff;
use crate::store::doubt::Doubt;
use crate::store::queues::Queues;
use crate::store::{Store, StoreError};

/// Longest wait for more free slots once there is one: a few claims in one statement are cheaper than each alone.
const GATHER: Duration = Duration::from_millis(20);

/// Claims for one worker.
pub(crate) struct Claimer {
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) starter: Starter,
    /// The boot; it changes when the others have given it up.
    pub(crate) boot: watch::Receiver<WorkerId>,
    pub(crate) limits: PayloadLimits,
    pub(crate) ends: Ends,
    pub(crate) meters: BatchMeters,
    pub(crate) cursors: Cursors,
    /// Suspects only, one after another; cancelled when none is left.
    pub(crate) alone: Option<CancellationToken>,
    pub(crate) stop: CancellationToken,
    pub(crate) has_looked: bool,
    /// Whose turn it is where one slot is free.
    pub(crate) limited_first: bool,
    pub(crate) left: Left,
}

impl Claimer {
    /// Runs until told to stop; a database that is away is waited for.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let round = self.round().await;
            self.slots.claimed();
            self.wake.had_a_round();
            match round {
                Ok(more) => {
                    if backoff.reset() {
                        tracing::info!("the database is back, claiming goes on");
                    }
                    if !more {
                        self.pause().await;
                    }
                }
                Err(error) => {
                    // An answer that was lost may have claimed jobs that this process knows nothing of.
                    self.slots.suspect_strays();
                    Part::Claim.had_no_answer();
                    if backoff.is_first() {
                        tracing::warn!("claiming waits: {error}");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.wake.wait() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// One claim; `true` when there may be more to claim at once.
    async fn round(&mut self) -> Result<bool, StoreError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(false),
            // Also where every slot is busy: its own looks would walk over them.
            () = self.monitor.crowd.gathers(), if self.alone.is_none() => {
                self.set_aside().await?;
                return Ok(true);
            }
            () = async {
                self.slots.room(GATHER).await;
                self.starter.resources.at_hand().await;
            } => {}
        }
        if self.slots.may_have_strays() {
            self.give_back_strays().await?;
        }
        // What is paused is known before anything is claimed that could be handed on.
        if !std::mem::replace(&mut self.has_looked, true)
            && let Err(error) = self.monitor.look().await
        {
            self.has_looked = false;
            return Err(error);
        }
        if self.alone.is_some() {
            return self.claim_alone().await;
        }
        if self.wake.is_due() {
            let promoted = self.store.promote().await?;
            if let Some(wait) = promoted.next_due {
                self.wake.within(wait);
            }
            if promoted.more {
                self.wake.within(Duration::ZERO);
            }
        }
        if !self.monitor.has_limits() {
            return self.claim(self.slots.free()).await;
        }
        // What one of them leaves, the other one gets: neither starves the other.
        let free = self.slots.free();
        self.limited_first = !self.limited_first;
        let share = self.monitor.limited_share(free, self.limited_first);
        let claimed = self.claim_limited(share, false).await?;
        let more_ready = free > claimed && self.claim(free - claimed).await?;
        if share > 0 || more_ready {
            return Ok(more_ready || claimed == share);
        }
        let left = self.slots.free();
        Ok(self.claim_limited(left, false).await? == left)
    }

    /// Claims under the limits of stages, and says how many.
    async fn claim_limited(&self, at_most: usize, suspects: bool) -> Result<usize, StoreError> {
        let at_most = self.slots.claim(at_most);
        if at_most == 0 {
            return Ok(0);
        }
        let (worker, unknown) = (*self.boot.borrow(), self.catalog.unknown());
        let queues = Queues { workflows: &self.monitor.workflows, unknown: &unknown };
        let begun = Instant::now();
        let claimed = self.store.claim_limited(queues, at_most, worker, suspects).await?;
        let count = claimed.claims.len();
        self.meters.answered(begun.elapsed(), count);
        if let Some(wait) = claimed.again {
            self.wake.within(wait);
        }
        self.start(claimed.claims).await;
        Ok(count)
    }

    async fn claim(&mut self, free: usize) -> Result<bool, StoreError> {
        let free = self.slots.claim(free);
        if free == 0 {
            // It was lent meanwhile. The next round waits for room.
            return Ok(true);
        }
        let (workflows, cursors) = self.cursors.next();
        if workflows.is_empty() {
            return Ok(false);
        }
        // Every queue gets its share of the slots; what one leaves, the next claim gives to the others.
        let each = (free / workflows.len()).max(1);
        let (worker, unknown) = (*self.boot.borrow(), self.catalog.unknown());
        self.left.tell(&self.store, worker, &unknown).await?;
        let queues = Queues { workflows, unknown: &unknown };
        let begun = Instant::now();
        let claimed = self.store.claim(queues, &cursors, (each, free), worker).await?;
        let took = begun.elapsed();
        self.meters.answered(took, claimed.claims.len());
        let more = self.cursors.moved(each, free, &claimed, took);
        self.monitor.note(self.cursors.waiting());
        self.start(claimed.claims).await;
        if claimed.set_aside.is_empty() {
            return Ok(more);
        }
        let mut workflows: Vec<_> = claimed.set_aside.into_iter().map(|(workflow, _)| workflow).collect();
        workflows.dedup();
        aside::set_aside(&self.store, &workflows, &unknown, &self.monitor.crowd).await?;
        self.monitor.set_aside();
        Ok(true)
    }

    /// A look has met jobs that must not begin here.
    async fn set_aside(&mut self) -> Result<(), StoreError> {
        let (worker, unknown) = (*self.boot.borrow(), self.catalog.unknown());
        self.left.tell(&self.store, worker, &unknown).await?;
        aside::set_aside(&self.store, &self.monitor.workflows, &unknown, &self.monitor.crowd).await
    }

    /// The slot is free, so nothing runs beside it.
    async fn claim_alone(&self) -> Result<bool, StoreError> {
        let (worker, unknown) = (*self.boot.borrow(), self.catalog.unknown());
        let queues = Queues { workflows: &self.monitor.workflows, unknown: &unknown };
        let begun = Instant::now();
        let claimed = self.store.claim_alone(queues, worker).await?;
        self.meters.answered(begun.elapsed(), claimed.claims.len());
        let mut found = !claimed.claims.is_empty() || !claimed.set_aside.is_empty();
        self.start(claimed.claims).await;
        if !found {
            // Also where no stage has a limit any more: one may still wait under a limit that was lifted.
            found = self.claim_limited(1, true).await? > 0;
        }
        if !found && let Some(none_left) = &self.alone {
            none_left.cancel();
        }
        Ok(found)
    }

    async fn with_versions(&self, claims: Vec<Claim>) -> Vec<(Claim, Arc<Version>)> {
        let mut known = Vec::with_capacity(claims.len());
        for claim in claims {
            let (version, stage) = (claim.version, claim.key.stage);
            match self.version(version).await {
                Some(found) if !self.catalog.is_unknown(version, stage) => known.push((claim, found)),
                // The next claim leaves it, now that its definition is known here.
                Some(found) if self.catalog.is_kept_from(&found, stage) => self.put_back(claim),
                found => {
                    self.catalog.refuse(version, stage);
                    // Of one that cannot be used at all it was said already.
                    if let Some(found) = found {
                        let stage = &*found.stage_name(stage);
                        tracing::warn!(version = %version, stage, "what this stage needs is not here; left for a worker that has it");
                    }
                    self.put_back(claim);
                }
            }
        }
        known
    }

    /// `None` when the definition cannot be used at all, which is said once. With a version that is new here, what is paused of it is learned
    /// before a run of it is handed on.
    async fn version(&self, id: VersionId) -> Option<Arc<Version>> {
        let (mut backoff, mut doubt, is_new) = (Backoff::default(), Doubt::default(), !self.catalog.has(id));
        while !self.catalog.is_given_up(id) {
            let mut read = self.catalog.version(&self.store, id).await;
            if is_new && read.is_ok() {
                read = self.monitor.look().await.and(read);
            }
            match read {
                Ok(version) => return Some(version),
                Err(StoreError::Away(_)) if self.stop.is_cancelled() => return None,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, 1, &self.store).await => {
                    backoff.wait().await
                }
                Err(error) => {
                    if self.catalog.give_up(id) {
                        tracing::error!("its jobs are left: {error}");
                    }
                }
            }
        }
        None
    }

    /// Claims that the database knows and this process does not: their answer was lost. They go back uncounted.
    async fn give_back_strays(&self) -> Result<(), StoreError> {
        let worker = *self.boot.borrow();
        for claim in self.store.held(worker).await? {
            if !self.slots.holds(&claim.key) {
                self.slots.take(claim);
                self.put_back(claim);
            }
        }
        self.slots.no_strays_left();
        Ok(())
    }

    fn put_back(&self, claim: Claim) {
        self.ends.send(Ended::unbegun(claim));
    }
}
