//! What a worker knows of the queue without claiming: the best waiting job, what is due, who seems gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::aside::Crowd;
use super::catalog::Catalog;
use super::cursors::Shown;
use super::feeding::Feeding;
use super::wake::Wake;
use crate::model::claim::Claim;
use crate::model::id::{WorkerId, WorkflowId};
use crate::model::limited::Limited;
use crate::model::paused::Paused;
use crate::model::place::Place;
use crate::model::turn::{self, Turn};
use crate::store::queues::Queues;
use crate::store::workers::{Look, Seen};
use crate::store::{Store, StoreError};

/// Who waits is known no longer ago than this when a slot is passed on.
const FRESH: Duration = Duration::from_millis(250);
/// Looking takes at most one part in this many of a worker's time, also where an old snapshot makes looks slow.
const SHARE: u32 = 20;

/// Looks for one worker.
pub(crate) struct Monitor {
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Catalog>,
    /// Queues this worker serves: workflows it has a file or a handler for.
    pub(crate) workflows: Vec<WorkflowId>,
    pub(crate) boot: watch::Receiver<WorkerId>,
    pub(crate) lease: Duration,
    pub(crate) wake: Arc<Wake>,
    /// Where it tells that jobs are to be set aside.
    pub(crate) crowd: Crowd,
    /// Where it tells whether batches wait to be fed.
    pub(crate) feeding: Feeding,
    /// The worker shuts down: every branch goes back to the queue.
    pub(crate) stop: CancellationToken,
    waiting: Mutex<Waiting>,
}

/// The best place among the ready jobs, and what must not be handed on, as it was last seen.
#[derive(Debug, Default)]
struct Waiting {
    best: Option<Place>,
    paused: Paused,
    limited: Limited,
    seen: Option<Instant>,
    cost: Duration,
}

impl Monitor {
    pub(crate) fn new(
        store: Store,
        catalog: Arc<Catalog>,
        workflows: Vec<WorkflowId>,
        boot: watch::Receiver<WorkerId>,
        lease: Duration,
        wake: Arc<Wake>,
        stop: CancellationToken,
    ) -> Monitor {
        let waiting = Mutex::default();
        let (crowd, feeding) = (Crowd::default(), Feeding::default());
        Monitor { store, catalog, workflows, boot, lease, wake, crowd, feeding, stop, waiting }
    }

    /// One look. The claimer is woken for what is ready or will be.
    pub(crate) async fn look(&self) -> Result<Seen, StoreError> {
        self.look_with(false).await
    }

    /// One look, and with it a heartbeat.
    pub(crate) async fn look_and_beat(&self) -> Result<Seen, StoreError> {
        self.look_with(true).await
    }

    async fn look_with(&self, beat: bool) -> Result<Seen, StoreError> {
        let unknown = self.catalog.unknown();
        let queues = Queues { workflows: &self.workflows, unknown: &unknown };
        let me = *self.boot.borrow();
        let begun = Instant::now();
        let seen = self.store.look(Look { me, lease: self.lease, for_all: false, beat, queues }).await?;
        let (best, paused, limited) = (seen.waiting, seen.paused.clone(), seen.limited.clone());
        *self.waiting() = Waiting { best, paused, limited, seen: Some(begun), cost: begun.elapsed() };
        if seen.is_crowded {
            self.crowd.seen();
        }
        if seen.is_crowded || seen.waiting.is_some() || seen.limited.has_room {
            self.wake.now();
        }
        if let Some(wait) = seen.next_due {
            self.wake.within(wait);
        }
        self.feeding.seen(seen.batches_due);
        Ok(seen)
    }

    /// A claim has shown who waits behind what it took.
    pub(super) fn note(&self, shown: Shown) {
        let mut waiting = self.waiting();
        waiting.best = shown.best(waiting.best);
        if let Shown::All(_) = shown {
            waiting.seen = Some(Instant::now());
        }
    }

    /// Looks again if what is known is too old to pass slots on by it.
    pub(crate) async fn refresh(&self) {
        let stale = {
            let mut waiting = self.waiting();
            let stale = waiting.seen.is_none_or(|at| at.elapsed() > FRESH.max(waiting.cost * SHARE));
            if stale {
                // One look is enough for both committers.
                waiting.seen = Some(Instant::now());
            }
            stale
        };
        if stale && let Err(error) = self.look().await {
            tracing::debug!("passing slots on by what was last known: {error}");
        }
    }

    /// What becomes of a branch whose next stage or item could start here.
    pub(crate) fn turn(&self, claim: &Claim, next_stage: i16) -> Turn {
        if self.stop.is_cancelled() || self.catalog.is_unknown(claim.version, next_stage) {
            return Turn::Yields;
        }
        let waiting = self.waiting();
        if waiting.paused.holds(claim.workflow, claim.version, next_stage)
            || waiting.limited.holds(claim.version, next_stage)
        {
            return Turn::Yields;
        }
        turn::after_a_stage(claim.place, claim.in_a_row + 1, waiting.best)
    }

    /// A claim has set jobs aside that wait under limits.
    pub(crate) fn set_aside(&self) {
        self.waiting().limited.has_room = true;
    }

    /// Whether one of them counted for a limit, so that its end makes room.
    pub(crate) fn any_is_limited<'c>(&self, mut claims: impl Iterator<Item = &'c Claim>) -> bool {
        let waiting = self.waiting();
        claims.any(|claim| waiting.limited.holds(claim.version, claim.key.stage))
    }

    /// Whether jobs may wait under limits.
    pub(crate) fn has_limits(&self) -> bool {
        self.waiting().limited.may_wait()
    }

    /// How many of the free slots jobs under limits get before the others are asked; in turn the first or the second half, where
    /// neither has the higher priority.
    pub(crate) fn limited_share(&self, free: usize, turn: bool) -> usize {
        let waiting = self.waiting();
        waiting.limited.share(free, waiting.best.map(|place| place.rank), turn)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
