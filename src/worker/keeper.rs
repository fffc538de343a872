//! Looks about once a second at what changes by itself, and passes on what it sees. It does nothing about it itself, so that
//! nothing holds up the next look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::heartbeats::Heartbeats;
use super::recoverer::Sighting;
use crate::health::Health;
use crate::meters::part::Part;
use crate::queue::monitor::Monitor;
use crate::queue::slots::Slots;
use crate::store::StoreError;
use crate::store::boots::Standing;

/// A look that takes longer carries no heartbeat: it would have the worker's row, and the session's own would wait for it.
const QUICK: Duration = Duration::from_millis(250);

pub(super) struct Keeper {
    pub(super) monitor: Arc<Monitor>,
    pub(super) slots: Arc<Slots>,
    pub(super) heartbeats: Arc<Heartbeats>,
    /// Between two looks.
    pub(super) poll: Duration,
    pub(super) signals: Signals,
    /// Where it tells which workers seem gone.
    pub(super) sightings: mpsc::UnboundedSender<Sighting>,
    /// Where it tells how many suspects wait; none in a process that runs them.
    pub(super) suspected: Option<watch::Sender<usize>>,
    pub(super) health: Option<Arc<Health>>,
}

/// What the parts that look, and those that act on what was seen, wake each other by.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// Somebody wants a look at once.
    pub(super) look_now: Arc<Notify>,
    /// A run is past its deadline.
    pub(super) overdue: Arc<Notify>,
    /// A schedule wants to be looked at.
    pub(super) schedules: Arc<Notify>,
    /// The database does not count this boot among those that live.
    pub(super) given_up: Arc<Notify>,
}

impl Keeper {
    pub(super) async fn run(self, stop: CancellationToken) {
        let (mut away, mut took, mut server) = (false, Duration::ZERO, None);
        loop {
            let begun = Instant::now();
            let looked = self.look(took < QUICK).await;
            took = begun.elapsed();
            if let Some(health) = &self.health {
                health.liveness.database_answered(looked.is_ok());
            }
            if let Ok(started_at) = looked
                && server.replace(started_at).is_some_and(|before| before != started_at)
            {
                // Another server, or the same one anew: it may have lost what it had answered.
                self.slots.suspect_strays();
                self.monitor.wake.now();
            }
            if let Err(error) = &looked {
                Part::Look.had_no_answer();
                if !away {
                    tracing::warn!("looking waits: {error}");
                }
                if let Some(health) = self.health.as_ref().filter(|_| error.is_out_of_reach()) {
                    health.database_is_away(error);
                }
                // Nobody is there to be told of it only where everything ends.
                self.sightings.send(Sighting::Away).ok();
            }
            away = looked.is_err();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.signals.look_now.notified() => {}
                () = tokio::time::sleep(self.poll.min(self.heartbeats.every())) => {}
            }
        }
    }

    /// Tells when the server was started.
    async fn look(&self, looks_are_quick: bool) -> Result<DateTime<Utc>, StoreError> {
        let begun = Instant::now();
        let heartbeats = self.heartbeats.is_welcome(looks_are_quick);
        let seen = if heartbeats { self.monitor.look_and_beat().await? } else { self.monitor.look().await? };
        match seen.standing {
            Standing::Alive if heartbeats => self.heartbeats.landed_with_a_look(begun),
            Standing::Alive => {}
            Standing::Ended | Standing::Unknown => self.signals.given_up.notify_one(),
        }
        if seen.schedules_due {
            self.signals.schedules.notify_one();
        }
        if seen.overdue {
            self.signals.overdue.notify_one();
        }
        if seen.suspected > 0
            && let Some(suspected) = &self.suspected
        {
            suspected.send_replace(seen.suspected);
        }
        self.sightings.send(Sighting::Seen(seen.suspects)).ok();
        Ok(seen.server_started_at)
    }
}
