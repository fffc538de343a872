//! A run, as the program that started it sees it.

use std::time::Duration;

use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgConnection;

use super::actor::{actor, name};
use super::error::{CancelError, DatabaseError, ResultError, WaitError};
use super::piton::Piton;
use super::progress::RunProgress;
use crate::model::id::{RunId, RunKey};
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::state::{RunState, ShownState};
use crate::store::backoff::Backoff;
use crate::store::runs::RunFailure;
use crate::store::{Store, StoreError, waits};
use crate::view::report;
use crate::view::snapshot::Snapshot;

/// Between two looks at a run that is watched.
const WATCHED_EVERY: Duration = Duration::from_millis(250);

/// A handle on one run. It may outlive the run, and dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Run {
    piton: Piton,
    id: RunId,
    is_new: bool,
}

impl Piton {
    /// A run that was started before, perhaps by another program. Does not query the database.
    pub fn run(&self, id: RunId) -> Run {
        Run::new(self.clone(), id, false)
    }
}

impl Run {
    pub(super) fn new(piton: Piton, id: RunId, is_new: bool) -> Run {
        Run { piton, id, is_new }
    }

    /// Its id, as every face of Piton shows it.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// Whether this handle started it; `false` if it was there under its key, or was looked up.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Its state now; `None` if there is no such run.
    pub async fn state(&self) -> Result<Option<ShownState>, DatabaseError> {
        Ok(self.store().run(self.id).await?.map(|row| row.shown))
    }

    /// Waits for its end, and reads its output: that of the one stage that no other needs, or an object with the outputs of
    /// several by their names. A fanned-out stage that nothing needs has none.
    ///
    /// One statement asks for all results that a [`Piton`] awaits, at most 100 times a second, and down to twice a second the longer
    /// nothing happens. While the database is away, it waits.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, ResultError> {
        let mut backoff = Backoff::default();
        loop {
            self.piton.shared.ends.wait_for(self.id).await?;
            match self.output().await {
                Ok(Some(output)) => return serde_json::from_str(&output?).map_err(ResultError::Output),
                // It was retried just now.
                Ok(None) => {}
                Err(error) if error.may_pass() => backoff.wait().await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// JSON text of its output, or why it has none; `None` while it goes on.
    async fn output(&self) -> Result<Option<Result<String, ResultError>>, StoreError> {
        let store = self.store();
        let Some(snapshot) = Snapshot::read(store, &self.piton.shared.catalog.definitions, self.id).await? else {
            return Ok(Some(Err(ResultError::NotFound(self.id))));
        };
        Ok(match (snapshot.run.state, snapshot.run.failure.clone()) {
            (RunState::Done, _) => Some(Ok(report::output(&report::outputs(store, &snapshot).await?))),
            (RunState::Failed, Some(RunFailure { stage, class, message, .. })) => {
                Some(Err(ResultError::Failed { stage, class, message }))
            }
            (RunState::Blocked, Some(RunFailure { stage, class, message, .. })) => {
                Some(Err(ResultError::Blocked { stage, class, message }))
            }
            (RunState::Cancelled, _) => Some(Err(cancelled(store, snapshot.run.key).await?)),
            (RunState::Failed | RunState::Blocked, None) | (RunState::Running, _) => None,
        })
    }

    /// The runs that its stages have started, the first one first.
    pub async fn children(&self) -> Result<Vec<Run>, DatabaseError> {
        let children = self.store().children_of(self.id).await?;
        Ok(children.into_iter().map(|id| self.piton.run(id)).collect())
    }

    /// The run whose stage started it, if one did.
    pub async fn parent(&self) -> Result<Option<Run>, DatabaseError> {
        Ok(self.store().parent_of(self.id).await?.map(|id| self.piton.run(id)))
    }

    /// Its progress, now and whenever it changes, until the run is at rest: it has ended, or is blocked and nothing of it goes on.
    /// Reads four times a second, and only what the run has.
    pub fn watch(&self) -> impl Stream<Item = Result<RunProgress, ResultError>> + Send + use<> {
        stream::unfold((self.clone(), Seen::Nothing), |(run, seen)| async move {
            let (next, seen) = run.next_progress(seen).await?;
            Some((next, (run, seen)))
        })
    }

    /// Cancels it: running attempts are stopped, waiting jobs are removed, and its checkpoints stay.
    pub async fn cancel(&self, reason: &str) -> Result<(), CancelError> {
        let by = name();
        self.store().cancel_run(self.id, reason, actor(&by)).await.map_err(|error| CancelError::of(self.id, error))
    }

    /// Answers its stage that waits for a signal of that name, or will. The first answer counts; a later one is
    /// [`WaitError::Over`].
    ///
    /// ```no_run
    /// # async fn approve(piton: &piton::Piton, id: piton::RunId) -> Result<(), piton::WaitError> {
    /// piton.run(id).signal("approval", &serde_json::json!({"approved": true})).await
    /// # }
    /// ```
    pub async fn signal(&self, signal: &str, payload: &impl Serialize) -> Result<(), WaitError> {
        let (by, payload) = (name(), answer(payload)?);
        self.store().signal(self.id, (signal, &payload), actor(&by)).await.map_err(WaitError::of)
    }

    /// The same in a transaction of the caller: it counts when that commits, and never if it does not. The connection must be to the
    /// same database.
    pub async fn signal_in(
        &self,
        connection: &mut PgConnection,
        signal: &str,
        payload: &impl Serialize,
    ) -> Result<(), WaitError> {
        let (by, payload) = (name(), answer(payload)?);
        waits::signal(connection, self.id, (signal, &payload), actor(&by)).await.map_err(WaitError::of)
    }

    /// Ends a sleep of one of its stages: all its items go on at once. Returns how many jobs that are.
    pub async fn wake(&self, stage: &str) -> Result<u64, WaitError> {
        let by = name();
        let woken = self.store().wake(self.id, (stage, None), actor(&by)).await.map_err(WaitError::of)?;
        Ok(woken.unsigned_abs())
    }

    fn store(&self) -> &Store {
        &self.piton.shared.store
    }

    async fn next_progress(&self, seen: Seen) -> Option<(Result<RunProgress, ResultError>, Seen)> {
        let before = match seen {
            Seen::All => return None,
            Seen::Nothing => None,
            Seen::Last(progress) => Some(progress),
        };
        loop {
            if before.is_some() {
                tokio::time::sleep(WATCHED_EVERY).await;
            }
            let snapshot = match Snapshot::read(self.store(), &self.piton.shared.catalog.definitions, self.id).await {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => return Some((Err(ResultError::NotFound(self.id)), Seen::All)),
                Err(error) if error.may_pass() => {
                    tokio::time::sleep(WATCHED_EVERY).await;
                    continue;
                }
                Err(error) => return Some((Err(error.into()), Seen::All)),
            };
            let progress = RunProgress::of(&snapshot);
            if snapshot.is_at_rest() {
                return Some((Ok(progress), Seen::All));
            }
            if before.as_ref() != Some(&progress) {
                return Some((Ok(progress.clone()), Seen::Last(progress)));
            }
        }
    }
}

fn answer(payload: &impl Serialize) -> Result<Payload, WaitError> {
    let most = PayloadLimits::default().payload_bytes;
    Payload::of(payload, most).map_err(|error| WaitError::Invalid(format!("the payload of the signal: {error}")))
}

/// What whoever watches was told.
enum Seen {
    Nothing,
    Last(RunProgress),
    All,
}

async fn cancelled(store: &Store, run: RunKey) -> Result<ResultError, StoreError> {
    let (by, reason) = match store.cancellation(run).await? {
        Some(cancelled) => (cancelled.cancelled_by, cancelled.reason),
        None => Default::default(),
    };
    Ok(ResultError::Cancelled { by, reason })
}
