//! Frees the jobs of dead workers that the looks have found.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::id::WorkerId;
use crate::queue::wake::Wake;
use crate::recovery::Recovery;
use crate::store::Store;
use crate::store::gone::{By, SuspectedBoot};

/// What a look showed of the others.
#[derive(Debug)]
pub(super) enum Sighting {
    Seen(Vec<SuspectedBoot>),
    /// It had no answer.
    Away,
}

pub(super) struct Recoverer {
    pub(super) store: Store,
    pub(super) wake: Arc<Wake>,
    pub(super) recovery: Recovery,
    pub(super) boot: watch::Receiver<WorkerId>,
    pub(super) sightings: mpsc::UnboundedReceiver<Sighting>,
    pub(super) look_now: Arc<Notify>,
}

impl Recoverer {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look_at = None;
        loop {
            let doubt_ends = async {
                match look_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                seen = self.sightings.recv() => match seen {
                    Some(sighting) => look_at = self.handle(sighting).await,
                    None => return,
                },
                () = doubt_ends => {
                    look_at = None;
                    self.look_now.notify_one();
                }
            }
        }
    }

    /// Returns when a sign that is not believed yet wants another look.
    async fn handle(&mut self, mut sighting: Sighting) -> Option<Instant> {
        // What came in meanwhile counts for how long a sign was seen; only the newest is acted on.
        while let Ok(newer) = self.sightings.try_recv() {
            match std::mem::replace(&mut sighting, newer) {
                Sighting::Seen(suspects) => drop(self.recovery.judge(&suspects)),
                Sighting::Away => self.recovery.was_away(),
            }
        }
        let Sighting::Seen(suspects) = sighting else {
            self.recovery.was_away();
            return None;
        };
        let me = *self.boot.borrow();
        match self.recovery.recover(&self.store, &suspects, By::Worker(me)).await {
            Ok(recovered) => {
                if recovered.freed.jobs() > 0 {
                    self.wake.now();
                    // What was freed may be suspected: a look tells.
                    self.look_now.notify_one();
                }
                recovered.again_in.map(|wait| Instant::now() + wait)
            }
            Err(error) => {
                tracing::debug!("recovering waits for the next look: {error}");
                self.recovery.was_away();
                None
            }
        }
    }
}
