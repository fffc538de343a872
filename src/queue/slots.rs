//! The claims a worker holds: how many more it can take, and what each is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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
    /// The attempt that a commit on its way makes of it.
    next: Option<AttemptKey>,
}

/// What an attempt gets from its slot.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) cancellation: CancellationToken,
    pub(crate) progress: ProgressCell,
    /// Counts the slots taken in this process.
    pub(crate) number: u64,
}

/// The slots of one worker. A slot is held until the commit, so results that wait for a database bound the claims.
#[derive(Debug)]
pub(crate) struct Slots {
    capacity: usize,
    held: Mutex<HashMap<AttemptKey, Slot>>,
    /// Slots that processes beside this one use.
    lent: AtomicUsize,
    freed: Notify,
    taken: AtomicU64,
    /// The database may count claims to this boot that are not here: an answer was lost.
    strays: AtomicBool,
    /// Cancels every attempt: the grace period is over.
    hand_back: CancellationToken,
}

/// What slots are used for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) busy: usize,
    /// By processes beside this one.
    pub(crate) lent: usize,
    pub(crate) free: usize,
}

impl Slots {
    pub(crate) fn new(capacity: usize) -> Arc<Slots> {
        Arc::new(Slots {
            capacity,
            held: Mutex::default(),
            lent: AtomicUsize::new(0),
            freed: Notify::new(),
            taken: AtomicU64::new(0),
            strays: AtomicBool::new(false),
            hand_back: CancellationToken::new(),
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<AttemptKey, Slot>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn free(&self) -> usize {
        self.usage().free
    }

    /// What the slots are used for.
    pub(crate) fn usage(&self) -> Usage {
        let (busy, lent) = (self.held().len(), self.lent.load(Ordering::Relaxed));
        Usage { busy, lent, free: self.capacity.saturating_sub(busy + lent) }
    }

    /// Gives a slot to a process beside this one, once one is free.
    pub(crate) async fn lend(&self) {
        self.lent.fetch_add(1, Ordering::Relaxed);
        while self.held().len() + self.lent.load(Ordering::Relaxed) > self.capacity {
            self.freed.notified().await;
        }
    }

    /// Takes it back, also one that was still waited for.
    pub(crate) fn take_back(&self) {
        self.lent.fetch_sub(1, Ordering::Relaxed);
        self.freed.notify_one();
    }

    /// Whether the attempt is held, or what a commit on its way makes of one that is.
    pub(crate) fn holds(&self, key: &AttemptKey) -> bool {
        let held = self.held();
        held.contains_key(key) || held.values().any(|slot| slot.next == Some(*key))
    }

    /// The database may count claims to this boot that are not here.
    pub(crate) fn suspect_strays(&self) {
        self.strays.store(true, Ordering::Relaxed);
    }

    pub(crate) fn may_have_strays(&self) -> bool {
        self.strays.load(Ordering::Relaxed)
    }

    pub(crate) fn no_strays_left(&self) {
        self.strays.store(false, Ordering::Relaxed);
    }

    /// Takes a slot for a claim.
    pub(crate) fn take(&self, claim: Claim) -> Hold {
        self.put(&mut self.held(), claim)
    }

    /// A commit is sent that makes `next` of that attempt, if it lands.
    pub(crate) fn announce(&self, key: &AttemptKey, next: AttemptKey) {
        if let Some(slot) = self.held().get_mut(key) {
            slot.next = Some(next);
        }
    }

    /// The slot goes on with the next attempt of its branch.
    pub(crate) fn pass_on(&self, key: &AttemptKey, claim: Claim) -> Hold {
        let mut held = self.held();
        held.remove(key);
        self.put(&mut held, claim)
    }

    fn put(&self, held: &mut HashMap<AttemptKey, Slot>, claim: Claim) -> Hold {
        let cancellation = self.hand_back.child_token();
        let progress = ProgressCell::default();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let (since, about, next) = (Instant::now(), None, None);
        let slot = Slot { claim, since, cancellation: cancellation.clone(), progress: progress.clone(), about, next };
        held.insert(claim.key, slot);
        Hold { cancellation, progress, number }
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
    async fn wait_for(&self, wanted: usize, at_most: Duration) {
        let enough = async {
            while self.free() < wanted {
                self.freed.notified().await;
            }
        };
        tokio::time::timeout(at_most, enough).await.ok();
    }

    /// Waits until a slot is free, and then a little for a quarter of them: a few claims in one statement are cheaper
    /// than each alone.
    pub(crate) async fn room(&self, gather: Duration) {
        while self.free() == 0 {
            self.freed.notified().await;
        }
        self.wait_for((self.capacity / 4).max(1), gather).await;
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
