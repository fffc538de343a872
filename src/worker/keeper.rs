//! What a worker does about once a second beside its work: heartbeat, progress, and the look for workers that are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::types::Uuid;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::model::id::WorkerId;
use crate::queue::claimer::Wake;
use crate::queue::slots::Slots;
use crate::recovery::Recovery;
use crate::store::workers::Boot;
use crate::store::{Store, StoreError};

/// Between two looks. A free session lock is believed at the second.
const LOOK_EVERY: Duration = Duration::from_millis(800);
/// Heartbeats in one lease.
const BEATS_PER_LEASE: u32 = 5;

pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) slots: Arc<Slots>,
    pub(super) wake: Arc<Wake>,
    pub(super) boot: Boot,
    pub(super) number: watch::Sender<WorkerId>,
    pub(super) lock_held: Arc<AtomicBool>,
    pub(super) lease: Duration,
    pub(super) recovery: Recovery,
}

/// What the others were told last.
struct Beats {
    last: Option<Instant>,
    told: bool,
}

impl Keeper {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY.min(self.lease / BEATS_PER_LEASE));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = Beats { last: None, told: false };
        let mut away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.tick(&mut beats).await {
                Ok(()) => away = false,
                Err(error) => {
                    if !away {
                        tracing::warn!("heartbeat waits: {error}");
                    }
                    away = true;
                }
            }
        }
    }

    async fn tick(&mut self, beats: &mut Beats) -> Result<(), StoreError> {
        let beat_every = self.lease / BEATS_PER_LEASE;
        let lock_held = self.lock_held.load(Ordering::Relaxed);
        // A change of the lock is told at once: the others act on it. What has not changed is left as the session, which
        // takes the lock, has written it.
        let changed = (beats.told != lock_held).then_some(lock_held);
        let beat = changed.is_some() || beats.last.is_none_or(|at| at.elapsed() >= beat_every);
        if beat {
            let me = *self.number.borrow();
            if !self.store.heartbeat(me, changed).await? {
                self.register_again().await?;
            }
            *beats = Beats { last: Some(Instant::now()), told: lock_held };
        }
        self.touch(beat, beat_every).await?;
        let (me, lease_ms) = (*self.number.borrow(), self.lease.as_millis() as i64);
        if self.recovery.look(&self.store, me, lease_ms).await? > 0 {
            self.wake.now();
        }
        Ok(())
    }

    /// The others gave this boot up while it was only slow. What it held is theirs; it goes on as a new boot.
    async fn register_again(&mut self) -> Result<(), StoreError> {
        self.boot.boot_id = Uuid::now_v7();
        let me = self.store.register_worker(&self.boot).await?;
        tracing::warn!(worker = self.boot.name, boot = %self.boot.boot_id,
                       "this worker was given up as lost; it goes on under a new boot id");
        self.number.send_replace(me);
        Ok(())
    }

    /// Writes progress, and stops attempts whose claims no longer hold.
    async fn touch(&self, all: bool, age: Duration) -> Result<(), StoreError> {
        let claims = self.slots.to_touch(all, age);
        if claims.is_empty() {
            return Ok(());
        }
        for position in self.store.touch(&claims).await? {
            if let Some((claim, _)) = claims.get(position) {
                self.slots.cancel(&claim.key);
            }
        }
        Ok(())
    }
}
