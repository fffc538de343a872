//! Waits for the ends of runs: one statement asks for all of them, however many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::error::ResultError;
use crate::model::id::RunId;
use crate::store::backoff::Backoff;
use crate::store::{Store, StoreError};

/// Between two looks when something is new, and when nothing has happened for long.
const SOONEST: Duration = Duration::from_millis(10);
const LATEST: Duration = Duration::from_millis(500);

/// What is known of the end of a run.
#[derive(Debug, Clone)]
enum End {
    NotYet,
    /// It is at rest, or gone.
    Come,
    Refused(Arc<StoreError>),
}

/// Between two looks whether somebody still looks.
const LOOKED_AFTER: Duration = Duration::from_secs(2);

/// While it lives, the ends are looked for.
struct Looking(Arc<Ends>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.lock().is_looked_for = false;
    }
}

#[derive(Debug)]
pub(super) struct Ends {
    store: Store,
    awaited: Mutex<Awaited>,
    /// Somebody awaits another one.
    more: Notify,
    /// A worker of this process has ended one.
    ended_here: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Awaited {
    runs: HashMap<RunId, watch::Sender<End>>,
    /// A task looks.
    is_looked_for: bool,
}

impl Ends {
    pub(super) fn new(store: Store, ended_here: Arc<Notify>) -> Ends {
        Ends { store, awaited: Mutex::default(), more: Notify::new(), ended_here }
    }

    /// Returns when the run is at rest, or there is no such run.
    pub(super) async fn wait_for(self: &Arc<Self>, run: RunId) -> Result<(), ResultError> {
        loop {
            let mut end = self.subscribe(run);
            let come = end.wait_for(|end| !matches!(end, End::NotYet));
            match tokio::time::timeout(LOOKED_AFTER, come).await.as_ref().map(|come| come.as_deref()) {
                Ok(Ok(End::Refused(error))) => return Err(ResultError::Database(error.clone().into())),
                Ok(Ok(End::NotYet | End::Come) | Err(_)) => return Ok(()),
                // The task that looks ends with the runtime in which somebody else waited.
                Err(_) => {}
            }
        }
    }

    fn subscribe(self: &Arc<Self>, run: RunId) -> watch::Receiver<End> {
        let mut awaited = self.lock();
        let end = awaited.runs.entry(run).or_insert_with(|| watch::channel(End::NotYet).0).subscribe();
        if !std::mem::replace(&mut awaited.is_looked_for, true) {
            tokio::spawn(self.clone().look());
        }
        drop(awaited);
        self.more.notify_one();
        end
    }

    /// Until nobody waits any more.
    async fn look(self: Arc<Self>) {
        let _looking = Looking(self.clone());
        let (mut pause, mut backoff) = (SOONEST, Backoff::default());
        while let Some(runs) = self.still_awaited() {
            // Before it is asked: what ends in between is heard, too.
            let ended_here = self.ended_here.notified();
            match self.store.at_rest(&runs).await {
                Ok(come) => {
                    backoff = Backoff::default();
                    come.into_iter().for_each(|run| self.tell(run, &End::Come));
                }
                Err(error) if error.may_pass() => {
                    if backoff.is_first() {
                        tracing::warn!("awaiting results waits: {error}");
                    }
                    backoff.wait().await;
                    continue;
                }
                Err(error) => {
                    let refused = End::Refused(Arc::new(error));
                    runs.into_iter().for_each(|run| self.tell(run, &refused));
                }
            }
            tokio::select! {
                () = ended_here => tokio::time::sleep(SOONEST).await,
                () = tokio::time::sleep(pause) => pause = (pause * 3 / 2).min(LATEST),
                () = self.more.notified() => {
                    tokio::time::sleep(SOONEST).await;
                    pause = SOONEST;
                }
            }
        }
    }

    /// `None`, and the looking ends, when nobody waits for anything.
    fn still_awaited(&self) -> Option<Vec<RunId>> {
        let mut awaited = self.lock();
        awaited.runs.retain(|_, end| end.receiver_count() > 0);
        awaited.is_looked_for = !awaited.runs.is_empty();
        awaited.is_looked_for.then(|| awaited.runs.keys().copied().collect())
    }

    fn tell(&self, run: RunId, end: &End) {
        if let Some(waiting) = self.lock().runs.remove(&run) {
            waiting.send_replace(end.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
