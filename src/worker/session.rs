//! The worker's one connection of its own: it listens for ready jobs, and its session lock says "alive" until the
//! process ends, however it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::meters::catalog::{NOTIFICATIONS, RECONNECTS};
use crate::meters::part::Part;
use crate::model::id::WorkerId;
use crate::queue::lookout::Lookout;
use crate::queue::wake::Wake;
use crate::store::backoff::Backoff;
use crate::store::workers::take_session_lock;
use crate::store::{Store, StoreError};

/// What is notified when something was paused or resumed, and not for new jobs.
const PAUSES: &str = "pauses";

/// Keeps the connection up. Nothing rests on it: without it jobs are found by the poll and deaths by the lease.
pub(super) struct Session {
    store: Store,
    wake: Arc<Wake>,
    lookout: Arc<Lookout>,
    boot: watch::Receiver<WorkerId>,
    lock_held: Arc<AtomicBool>,
    /// It has been up before.
    was_held: bool,
}

impl Session {
    pub(super) fn new(
        store: Store,
        wake: Arc<Wake>,
        lookout: Arc<Lookout>,
        boot: watch::Receiver<WorkerId>,
    ) -> Session {
        Session { store, wake, lookout, boot, lock_held: Arc::default(), was_held: false }
    }

    /// Whether the lock is held right now, as far as this process can know.
    pub(super) fn lock_held(&self) -> Arc<AtomicBool> {
        self.lock_held.clone()
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        if self.store.is_pooled() {
            // What is listened to and locked there would be a stranger's with the next transaction.
            return stop.cancelled().await;
        }
        let mut backoff = Backoff::default();
        loop {
            let held = self.lock_held.clone();
            tokio::select! {
                () = stop.cancelled() => return,
                ended = self.listen(&mut backoff) => {
                    held.store(false, Ordering::Relaxed);
                    if let Err(error) = ended {
                        Part::Session.had_no_answer();
                        if backoff.is_first() {
                            tracing::warn!("not listening for jobs, the poll goes on: {error}");
                        }
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = backoff.wait() => {}
            }
        }
    }

    /// Until the connection is lost or the worker gets a new boot number.
    async fn listen(&mut self, backoff: &mut Backoff) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(&self.store.pool).await?;
        listener.eager_reconnect(false);
        let boot = *self.boot.borrow_and_update();
        if !take_session_lock(&mut listener, boot).await? {
            // The server has not noticed yet that an earlier connection is gone.
            return Ok(());
        }
        if std::mem::replace(&mut self.was_held, true) {
            RECONNECTS.counter(&[]).increment(1);
        }
        self.lock_held.store(true, Ordering::Relaxed);
        listener.listen("piton_jobs").await?;
        backoff.reset();
        let heard_of_jobs = NOTIFICATIONS.counter(&[]);
        // What was notified before we listened.
        self.wake.now();
        loop {
            tokio::select! {
                heard = listener.try_recv() => match heard? {
                    Some(heard) if heard.payload() == PAUSES => {
                        self.lookout.look(None).await?;
                        self.wake.now();
                    }
                    Some(_) => {
                        heard_of_jobs.increment(1);
                        self.wake.now();
                    }
                    None => return Ok(()),
                },
                _ = self.boot.changed() => return Ok(()),
            }
        }
    }
}
