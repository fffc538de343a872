//! The claims a worker holds: how many more it can take, and what each is doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, RunKey, WorkerId};
use crate::stage::about::About;
use crate::stage::context::ProgressCell;
use crate::store::jobs::Progress;

/// A claim from the moment it is known until its end has landed.
#[derive(Debug)]
struct Slot {
    claim: Claim,
    since: Instant,
    cancellation: Arc<CancellationToken>,
    progress: ProgressCell,
    /// Names for people, once they are known.
    about: Option<Arc<About>>,
    /// The attempt that a commit on its way makes of it.
    next: Option<AttemptKey>,
}

/// What an attempt gets from its slot.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) cancellation: Arc<CancellationToken>,
    pub(crate) progress: ProgressCell,
    /// Counts the slots taken in this process.
    pub(crate) number: u64,
}

/// Attempts that fail within that time for want of room fail of one cause.
const TOGETHER: Duration = Duration::from_secs(1);
/// Without trouble for that long, more slots are used again.
const QUIET: Duration = Duration::from_secs(60);

/// The slots of one worker. A slot is held until the commit, so results that wait for a database bound the claims.
#[derive(Debug)]
pub(crate) struct Slots {
    capacity: usize,
    /// How many of them are used: fewer, where this machine turned out to have no room for all.
    used: AtomicUsize,
    /// When that was changed.
    resized: Mutex<Option<Instant>>,
    held: Mutex<HashMap<AttemptKey, Slot>>,
    /// Slots that processes beside this one use.
    lent: AtomicUsize,
    /// Slots that the claim on its way is for. It and `lent` change while `held` is locked.
    claiming: AtomicUsize,
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
            used: AtomicUsize::new(capacity),
            resized: Mutex::default(),
            held: Mutex::default(),
            lent: AtomicUsize::new(0),
            claiming: AtomicUsize::new(0),
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
        Usage { busy, lent, free: self.used.load(Ordering::Relaxed).saturating_sub(busy + lent) }
    }

    /// There is no room for all of them: half of those that are busy are used from now on. Attempts that found that out
    /// together count once.
    pub(crate) fn give_up_some(&self, now: Instant) {
        let mut resized = self.resized.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.used.load(Ordering::Relaxed);
        if used == 1 || resized.is_some_and(|at| now.duration_since(at) < TOGETHER) {
            return;
        }
        *resized = Some(now);
        let fewer = (self.held().len().min(used) / 2).max(1);
        self.used.store(fewer, Ordering::Relaxed);
        tracing::warn!(slots = fewer, of = self.capacity, "this worker uses fewer slots for a while");
    }

    /// After a time without trouble, a few more are used again.
    pub(crate) fn use_more(&self, now: Instant) {
        let mut resized = self.resized.lock().unwrap_or_else(PoisonError::into_inner);
        let used = self.used.load(Ordering::Relaxed);
        if used == self.capacity || resized.is_some_and(|at| now.duration_since(at) < QUIET) {
            return;
        }
        *resized = Some(now);
        self.used.store((used + used.div_ceil(8)).min(self.capacity), Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    /// Calls [`Slots::use_more`] now and then.
    pub(crate) async fn grow(&self) {
        loop {
            tokio::time::sleep(QUIET / 2).await;
            self.use_more(Instant::now());
        }
    }

    /// Gives a slot to a process beside this one, once one is free.
    pub(crate) async fn lend(&self) {
        let held = self.held();
        self.lent.fetch_add(1, Ordering::Relaxed);
        drop(held);
        self.until(|| {
            let held = self.held();
            let (lent, claiming) = (self.lent.load(Ordering::Relaxed), self.claiming.load(Ordering::Relaxed));
            held.len() + lent + claiming <= self.used.load(Ordering::Relaxed)
        })
        .await;
    }

    /// How many of the slots that are wanted a claim may be for. None of them is lent before [`Slots::claimed`].
    pub(crate) fn claim(&self, wanted: usize) -> usize {
        let held = self.held();
        let busy = held.len() + self.lent.load(Ordering::Relaxed);
        let claiming = wanted.min(self.used.load(Ordering::Relaxed).saturating_sub(busy));
        self.claiming.store(claiming, Ordering::Relaxed);
        claiming
    }

    /// What the claim brought has its slots; it may also have failed.
    pub(crate) fn claimed(&self) {
        let held = self.held();
        self.claiming.store(0, Ordering::Relaxed);
        drop(held);
        self.freed.notify_waiters();
    }

    /// Waits until that is so. Several may wait, each for something else: every slot that is freed wakes all of them, for the
    /// one that is woken may not be the one that can go on.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            // Before it is asked: what is freed in between is heard, too.
            let freed = self.freed.notified();
            if is_so() {
                return;
            }
            freed.await;
        }
    }

    /// Takes it back, also one that was still waited for.
    pub(crate) fn take_back(&self) {
        self.lent.fetch_sub(1, Ordering::Relaxed);
        self.freed.notify_waiters();
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
        let cancellation = Arc::new(self.hand_back.child_token());
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
        self.freed.notify_waiters();
    }

    /// Waits until that many slots are free, but not longer than `at_most`.
    async fn wait_for(&self, wanted: usize, at_most: Duration) {
        tokio::time::timeout(at_most, self.until(|| self.free() >= wanted)).await.ok();
    }

    /// Waits until a slot is free, and then a little for a quarter of them: a few claims in one statement are cheaper
    /// than each alone.
    pub(crate) async fn room(&self, gather: Duration) {
        self.until(|| self.free() > 0).await;
        self.wait_for((self.used.load(Ordering::Relaxed) / 4).max(1), gather).await;
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

    /// A stage of a run was stopped: whatever runs of it here need not find that out by itself.
    pub(crate) fn cancel_stage(&self, run: RunKey, stage: i16) {
        for slot in self.held().values().filter(|slot| slot.claim.key.run == run && slot.claim.key.stage == stage) {
            slot.cancellation.cancel();
        }
    }

    /// Claims of a boot that is none any more: all of its attempts stop.
    pub(crate) fn cancel_all_of(&self, boot: WorkerId) {
        for slot in self.held().values().filter(|slot| slot.claim.worker == boot) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RunKey;

    fn claim(run: i64) -> Claim {
        let made_up = Claim::made_up();
        Claim { key: AttemptKey { run: RunKey(run), job: run, ..made_up.key }, ..made_up }
    }

    /// Lets everything run that can.
    async fn everyone_waits() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_slot_that_is_freed_wakes_everyone_who_waits_for_one() {
        let slots = Slots::new(1);
        slots.take(claim(1));
        let claimer = tokio::spawn({
            let slots = slots.clone();
            async move { slots.room(Duration::ZERO).await }
        });
        everyone_waits().await;
        // It asks for the slot that the claimer was the first to wait for.
        let lender = tokio::spawn({
            let slots = slots.clone();
            async move { slots.lend().await }
        });
        everyone_waits().await;
        slots.release(&claim(1).key);
        tokio::time::timeout(Duration::from_secs(10), lender).await.expect("the slot is lent").unwrap();
        everyone_waits().await;
        assert!(!claimer.is_finished(), "the only slot is lent");
        slots.take_back();
        tokio::time::timeout(Duration::from_secs(10), claimer).await.expect("the claimer has room").unwrap();
    }

    #[tokio::test]
    async fn a_slot_that_a_claim_is_on_its_way_for_is_not_lent() {
        let slots = Slots::new(1);
        assert_eq!(slots.claim(8), 1);
        let lender = tokio::spawn({
            let slots = slots.clone();
            async move { slots.lend().await }
        });
        everyone_waits().await;
        slots.take(claim(1));
        slots.claimed();
        everyone_waits().await;
        assert!(!lender.is_finished(), "the claim had it");
        slots.release(&claim(1).key);
        tokio::time::timeout(Duration::from_secs(10), lender).await.expect("the slot is lent").unwrap();
        assert_eq!(slots.claim(8), 0, "what is lent is not claimed for");
    }

    /// Nobody is left waiting for a slot that is free, whoever else came and went.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_wake_up_is_lost_between_claims_and_processes_beside_them() {
        const ROUNDS: i64 = 500;
        let slots = Slots::new(2);
        let mut tasks = Vec::new();
        for task in 0..4 {
            let slots = slots.clone();
            tasks.push(tokio::spawn(async move {
                for round in 0..ROUNDS {
                    slots.room(Duration::ZERO).await;
                    let claim = claim(task * ROUNDS + round);
                    slots.take(claim);
                    tokio::task::yield_now().await;
                    slots.release(&claim.key);
                }
            }));
        }
        // Processes are started one after another, so one at a time waits for a slot.
        tasks.push(tokio::spawn({
            let slots = slots.clone();
            async move {
                for _ in 0..ROUNDS {
                    slots.lend().await;
                    tokio::task::yield_now().await;
                    slots.take_back();
                }
            }
        }));
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(60), task).await.expect("nobody is left waiting").unwrap();
        }
        slots.drained().await;
        assert_eq!(slots.free(), 2);
    }

    #[test]
    fn slots_there_is_no_room_for_are_left_for_a_while() {
        let slots = Slots::new(100);
        (0..80).for_each(|run| drop(slots.take(claim(run))));
        let now = Instant::now();
        slots.give_up_some(now);
        slots.give_up_some(now + TOGETHER / 2);
        assert_eq!(slots.usage().free, 0, "80 are busy");
        (0..80).for_each(|run| slots.release(&claim(run).key));
        assert_eq!(slots.usage().free, 40);
        slots.use_more(now + QUIET / 2);
        assert_eq!(slots.usage().free, 40, "it is too soon");
        let mut at = now;
        let grows = |_| {
            at += QUIET;
            slots.use_more(at);
            slots.usage().free
        };
        assert_eq!((0..9).map(grows).collect::<Vec<_>>(), [45, 51, 58, 66, 75, 85, 96, 100, 100]);
        slots.take(claim(1));
        for minutes in 1..9 {
            slots.give_up_some(at + QUIET * minutes);
        }
        assert_eq!(slots.usage().busy + slots.usage().free, 1, "one is used whatever happens");
    }

    #[test]
    fn only_the_claims_of_a_boot_that_is_none_any_more_are_dropped() {
        let slots = Slots::new(2);
        let old = slots.take(claim(1));
        let new = slots.take(Claim { worker: WorkerId(2), ..claim(2) });
        slots.cancel_all_of(WorkerId(1));
        assert!(old.cancellation.is_cancelled() && !new.cancellation.is_cancelled());
    }
}
