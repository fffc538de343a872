//! The worker's one connection of its own. It listens for ready jobs, sends heartbeats, and holds the session lock that shows
//! until the process ends, however it ends, that the worker is alive. It is not part of the pool that stages use, and its task
//! does nothing else, so a heartbeat waits for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::heartbeats::Heartbeats;
use super::keeper::Signals;
use super::registration::{Registered, Registration, WhenTaken};
use super::wakeups::Wakeups;
use super::{NameTaken, Shutdown};
use crate::events;
use crate::meters::catalog::{NOTIFICATIONS, RECONNECTS};
use crate::meters::part::Part;
use crate::model::id::WorkerId;
use crate::queue::catalog::Catalog;
use crate::queue::slots::Slots;
use crate::queue::wake::Wake;
use crate::store::backoff::Backoff;
use crate::store::boots::{Beat, Boot, Standing, beat, take_session_lock};
use crate::store::{Store, StoreError};
use crate::workflow::duration;

/// What is notified when something was paused or resumed, and not for new jobs.
const PAUSES: &str = "pauses";

/// Between two tries to take a lock that the session before still holds.
const LOCK_AGAIN: Duration = Duration::from_millis(500);

/// Keeps the connection up. Nothing rests on it: where it cannot listen and has no lock, jobs are found by the poll and deaths
/// by the lease.
pub(super) struct Session {
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) slots: Arc<Slots>,
    pub(super) wake: Arc<Wake>,
    pub(super) signals: Signals,
    pub(super) heartbeats: Arc<Heartbeats>,
    pub(super) boot: Boot,
    pub(super) number: watch::Sender<WorkerId>,
    pub(super) shutdown: Shutdown,
    /// It has been up before.
    pub(super) was_up: bool,
}

/// Why a session is over.
enum End {
    /// The connection is.
    Lost,
    /// The database does not count this boot among those that live.
    GivenUp(Standing),
}

impl Session {
    /// Until told to stop, or until another process is seen to live under this worker's name.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Option<NameTaken> {
        let mut backoff = Backoff::default();
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return None,
                ended = self.hold(&mut backoff) => ended,
            };
            match ended {
                // At once: the others go by the lock, which is gone.
                Ok(End::Lost) => Part::Session.had_no_answer(),
                Ok(End::GivenUp(standing)) => {
                    let taken = tokio::select! {
                        () = stop.cancelled() => return None,
                        taken = self.go_on(standing) => taken,
                    };
                    if taken.is_some() {
                        return taken;
                    }
                }
                Err(error) => {
                    Part::Session.had_no_answer();
                    if backoff.is_first() {
                        tracing::warn!("no session of its own, the looks go on: {error}");
                    }
                    tokio::select! {
                        () = stop.cancelled() => return None,
                        () = backoff.wait() => {}
                    }
                }
            }
        }
    }

    /// One connection, from its first word to its end.
    async fn hold(&mut self, backoff: &mut Backoff) -> Result<End, StoreError> {
        let beside = self.store.beside();
        let mut session = self.in_time(async { Ok(PgListener::connect_with(&beside.pool).await?) }).await?;
        session.eager_reconnect(false);
        let mut stopping = self.shutdown.is_asked();
        // First that this boot lives, and that the others cannot go by its lock: they may have seen it free. The row is there
        // before the lock is taken.
        if let Some(end) = self.beat(&mut session, false, stopping).await? {
            return Ok(end);
        }
        // What is listened to and locked behind a pooler in transaction mode would be a stranger's with the next transaction.
        let is_ours = !self.store.is_pooled();
        let mut locked = is_ours && self.in_time(take_session_lock(&mut session, self.boot.id)).await?;
        let mut wakeups = None;
        if is_ours {
            wakeups = Some(self.listen(&mut session).await?);
            if let Some(end) = self.beat(&mut session, locked, stopping).await? {
                return Ok(end);
            }
        }
        self.is_up(backoff);
        loop {
            let look_at = wakeups.as_ref().and_then(Wakeups::due);
            tokio::select! {
                heard = session.try_recv() => match heard? {
                    Some(heard) => {
                        self.heard(&mut session, wakeups.as_mut(), heard.payload()).await?;
                        continue;
                    }
                    None => return Ok(End::Lost),
                },
                Some(wakeups) = due(&mut wakeups, look_at) => {
                    self.in_time(wakeups.look(&mut session)).await?;
                    self.wake.now();
                    continue;
                }
                // One that landed with a look puts it off.
                () = tokio::time::sleep(self.heartbeats.due_in()), if locked || !is_ours => {
                    if !self.heartbeats.due_in().is_zero() {
                        continue;
                    }
                }
                () = tokio::time::sleep(LOCK_AGAIN), if is_ours && !locked => {}
                () = self.signals.given_up.notified() => {}
                () = self.shutdown.asked(), if !stopping => stopping = true,
            }
            if is_ours && !locked {
                // The server had not noticed yet that an earlier connection was gone.
                locked = self.in_time(take_session_lock(&mut session, self.boot.id)).await?;
            }
            if let Some(end) = self.beat(&mut session, locked, stopping).await? {
                return Ok(end);
            }
        }
    }

    async fn listen(&self, session: &mut PgListener) -> Result<Wakeups, StoreError> {
        self.in_time(async { Ok(session.listen("piton_jobs").await?) }).await?;
        self.in_time(Wakeups::begin(session)).await
    }

    async fn heard(
        &self,
        session: &mut PgListener,
        wakeups: Option<&mut Wakeups>,
        payload: &str,
    ) -> Result<(), StoreError> {
        if payload == PAUSES {
            self.signals.look_now.notify_one();
            return Ok(());
        }
        NOTIFICATIONS.counter(&[]).increment(1);
        self.wake.now();
        match wakeups {
            Some(wakeups) => self.in_time(wakeups.heard(session, payload)).await,
            None => Ok(()),
        }
    }

    /// What was notified before, and what an answer told that was lost with the connection before, is looked for.
    fn is_up(&mut self, backoff: &mut Backoff) {
        backoff.reset();
        if std::mem::replace(&mut self.was_up, true) {
            RECONNECTS.counter(&[]).increment(1);
            self.slots.suspect_strays();
        }
        self.wake.now();
    }

    /// The end, where there is one.
    async fn beat(&self, session: &mut PgListener, locked: bool, stopping: bool) -> Result<Option<End>, StoreError> {
        let sent = Instant::now();
        let standing = self.in_time(beat(session, Beat { me: self.boot.id, locked, stopping })).await?;
        if standing != Standing::Alive {
            return Ok(Some(End::GivenUp(standing)));
        }
        self.heartbeats.landed(sent);
        Ok(None)
    }

    /// Silence is as good as a connection that is lost.
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let patience = self.heartbeats.patience();
        let late = || {
            std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer for {}", duration::words(patience)))
        };
        tokio::time::timeout(patience, asked).await.map_err(|_| StoreError::Away(late().into()))?
    }

    /// This boot is none any more. What it held is others', so its attempts stop at once; it goes on as a new boot, unless
    /// somebody else has its name by now.
    async fn go_on(&mut self, standing: Standing) -> Option<NameTaken> {
        let before = self.boot.id;
        self.slots.cancel_all_of(before);
        if standing == Standing::Unknown {
            events::worker::unknown(&self.boot.name, &self.boot.boot_id);
        }
        if self.shutdown.is_asked() {
            // It only waits for its stages to end, and they have been told to.
            return std::future::pending().await;
        }
        if standing == Standing::Unknown {
            self.register_workflows().await;
        }
        let registration = Registration::new(&self.store, WhenTaken::End);
        match registration.register(&self.boot, &self.shutdown).await {
            Ok(Registered::As(boot)) => {
                events::worker::given_up(&boot.name, &boot.boot_id);
                self.heartbeats.begin_anew();
                self.number.send_replace(boot.id);
                self.boot = boot;
                // What a claim brought whose answer came late.
                self.slots.cancel_all_of(before);
                self.wake.now();
                None
            }
            Ok(Registered::NameTaken(taken)) => Some(taken),
            Ok(Registered::Asked) => None,
            Err(error) => {
                tracing::warn!("registering again is refused, and tried again: {error}");
                tokio::time::sleep(self.heartbeats.every()).await;
                None
            }
        }
    }

    /// What was registered may be lost as the boot is.
    async fn register_workflows(&self) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.catalog.register_again(&self.store).await {
            if backoff.is_first() {
                tracing::warn!("registering the workflows again waits: {error}");
            }
            if self.shutdown.is_asked() {
                return;
            }
            backoff.wait().await;
        }
    }
}

/// When a look is due; never where none is.
async fn due(wakeups: &mut Option<Wakeups>, look_at: Option<Instant>) -> Option<&mut Wakeups> {
    match look_at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
    wakeups.as_mut()
}
