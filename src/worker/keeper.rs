//! What a worker does about once a second beside its work: heartbeat, progress, and the look for workers that are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::types::Uuid;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::events;
use crate::health::Health;
use crate::meters::part::Part;
use crate::model::id::WorkerId;
use crate::queue::lookout::Lookout;
use crate::queue::slots::Slots;
use crate::queue::wake::Wake;
use crate::recovery::Recovery;
use crate::store::gone::By;
use crate::store::workers::Boot;
use crate::store::{Store, StoreError};

/// Heartbeats in one lease.
const BEATS_PER_LEASE: u32 = 5;

pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) slots: Arc<Slots>,
    pub(super) wake: Arc<Wake>,
    pub(super) lookout: Arc<Lookout>,
    pub(super) boot: Boot,
    pub(super) number: watch::Sender<WorkerId>,
    pub(super) lock_held: Arc<AtomicBool>,
    pub(super) lease: Duration,
    /// Between two looks.
    pub(super) poll: Duration,
    pub(super) recovery: Recovery,
    /// Where it tells how many suspects wait; none in a process that runs them.
    pub(super) suspected: Option<watch::Sender<usize>>,
    pub(super) health: Option<Arc<Health>>,
}

/// What the others were told last.
struct Beats {
    last: Option<Instant>,
    told: bool,
}

impl Keeper {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut beats = Beats { last: None, told: false };
        let mut away = false;
        loop {
            let ticked = self.tick(&mut beats).await;
            if let Some(health) = &self.health {
                health.pulse.database_answered(ticked.is_ok());
            }
            let pause = match ticked {
                Ok(pause) => {
                    away = false;
                    pause
                }
                Err(error) => {
                    Part::Look.had_no_answer();
                    if !away {
                        tracing::warn!("heartbeat waits: {error}");
                    }
                    if let Some(health) = self.health.as_ref().filter(|_| error.is_out_of_reach()) {
                        health.database_is_away(&error);
                    }
                    away = true;
                    self.recovery.was_away();
                    self.poll
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Returns the wait until the next one.
    async fn tick(&mut self, beats: &mut Beats) -> Result<Duration, StoreError> {
        let beat_every = self.lease / BEATS_PER_LEASE;
        let lock_held = self.lock_held.load(Ordering::Relaxed);
        // A change of the lock is told at once: the others act on it. What has not changed is left as the session, which
        // takes the lock, has written it.
        let changed = (beats.told != lock_held).then_some(lock_held);
        let beat = changed.is_some() || beats.last.is_none_or(|at| at.elapsed() >= beat_every);
        let seen = self.lookout.look(beat.then_some(changed)).await?;
        if beat {
            *beats = Beats { last: Some(Instant::now()), told: lock_held };
        }
        if !seen.alive {
            self.register_again().await?;
        }
        self.touch(beat, beat_every).await?;
        if seen.overdue {
            self.store.patient().end_overdue_runs().await?;
        }
        if seen.suspected > 0
            && let Some(suspected) = &self.suspected
        {
            suspected.send_replace(seen.suspected);
        }
        let me = *self.number.borrow();
        let recovered = self.recovery.recover(&self.store, &seen.suspects, By::Worker(me)).await?;
        if recovered.freed.jobs() > 0 {
            self.wake.now();
            // What was freed may be suspected: the next look tells.
            return Ok(Duration::ZERO);
        }
        Ok(recovered.again_in.unwrap_or(self.poll).min(self.poll).min(beat_every))
    }

    /// The others gave this boot up while it was only slow. What it held is theirs; it goes on as a new boot.
    async fn register_again(&mut self) -> Result<(), StoreError> {
        self.boot.boot_id = Uuid::now_v7();
        let me = self.store.register_worker(&self.boot).await?;
        events::worker::given_up(&self.boot.name, &self.boot.boot_id);
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
