//! The claims a worker holds: how many more it can take, and what each is doing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::model::claim::Claim;
use crate::model::id::AttemptKey;
use crate::stage::context::{About, ProgressCell};
use crate::store::jobs::Progress;

/// A claim from the moment it is known until its end has landed.
#[derive(Debug)]
struct Slot {
    claim: Claim,
    since: Instant,
    cancellation: CancellationToken,
    progress: ProgressCell,
    /// Names for people, once they are known.
    about: Option<Arc<About>>,
}

/// The slots of one worker. A slot is held until the commit, so results that wait for a database bound the claims.
#[derive(Debug)]
pub(crate) struct Slots {
    capacity: usize,
    held: Mutex<HashMap<AttemptKey, Slot>>,
    freed: Notify,
    /// Cancels every attempt: the grace period is over.
    hand_back: CancellationToken,
}

impl Slots {
    pub(crate) fn new(capacity: usize) -> Arc<Slots> {
        Arc::new(Slots { capacity, held: Mutex::default(), freed: Notify::new(), hand_back: CancellationToken::new() })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<AttemptKey, Slot>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn free(&self) -> usize {
        self.capacity.saturating_sub(self.held().len())
    }

    pub(crate) fn holds(&self, key: &AttemptKey) -> bool {
        self.held().contains_key(key)
    }

    /// Takes a slot for a claim.
    pub(crate) fn take(&self, claim: Claim) -> (CancellationToken, ProgressCell) {
        let cancellation = self.hand_back.child_token();
        let progress = ProgressCell::default();
        let (since, about) = (Instant::now(), None);
        let slot = Slot { claim, since, cancellation: cancellation.clone(), progress: progress.clone(), about };
        self.held().insert(claim.key, slot);
        (cancellation, progress)
    }

    /// What the attempt is called where people read of it.
    pub(crate) fn name(&self, key: &AttemptKey, about: Arc<About>) {
        if let Some(slot) = self.held().get_mut(key) {
            slot.about = Some(about);
        }
    }

    /// Names of the attempt for logs; an attempt that never started has none.
    pub(crate) fn about(&self, key: &AttemptKey) -> Option<Arc<About>> {
        self.held().get(key).and_then(|slot| slot.about.clone())
    }

    /// The claim's end has landed, or it turned out to be fenced.
    pub(crate) fn release(&self, key: &AttemptKey) {
        self.held().remove(key);
        self.freed.notify_one();
    }

    /// Waits until that many slots are free, but not longer than `at_most`.
    pub(crate) async fn wait_for(&self, wanted: usize, at_most: Duration) {
        let enough = async {
            while self.free() < wanted {
                self.freed.notified().await;
            }
        };
        tokio::time::timeout(at_most, enough).await.ok();
    }

    /// Waits until nothing is held.
    pub(crate) async fn drained(&self) {
        loop {
            self.wait_for(self.capacity, Duration::from_millis(200)).await;
            if self.held().is_empty() {
                return;
            }
        }
    }

    /// Attempts end at their next `.await`, and their claims go back.
    pub(crate) fn hand_back(&self) {
        self.hand_back.cancel();
    }

    /// The claim no longer holds: its attempt stops, whatever it would have returned.
    pub(crate) fn cancel(&self, key: &AttemptKey) {
        if let Some(slot) = self.held().get(key) {
            slot.cancellation.cancel();
        }
    }

    /// Claims with new progress; with `all`, every claim held for longer than `age` too.
    pub(crate) fn to_touch(&self, all: bool, age: Duration) -> Vec<(Claim, Option<Progress>)> {
        let held = self.held();
        let touch = held.values().filter_map(|slot| {
            let progress = slot.progress.take();
            let due = progress.is_some() || all && slot.since.elapsed() >= age;
            due.then_some((slot.claim, progress))
        });
        let mut touch: Vec<_> = touch.collect();
        touch.sort_by_key(|(claim, _)| claim.key);
        touch
    }
}
