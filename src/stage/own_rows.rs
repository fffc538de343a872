//! A stage that ends with rows of its own: they and its checkpoint are committed together, or neither is.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sqlx::postgres::PgConnection;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::steps::wait;
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::model::retry::RetryPolicy;
use crate::store::backoff::Backoff;
use crate::store::own_rows::RowsTransaction;
use crate::store::{Store, StoreError};

/// The output of a stage that [`StageContext::commit`](crate::StageContext::commit) has committed. The attempt has ended: a handler
/// returns this, and nothing that it does instead has any effect.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "the attempt has ended: return what was committed"]
pub struct Committed<T>(T);

impl<T> Deref for Committed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Serialize for Committed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The transaction in which a stage writes its rows: a connection of sqlx 0.9, used as `&mut *tx`.
#[derive(Debug)]
pub struct StageTransaction(OwnedMutexGuard<RowsTransaction>);

impl Deref for StageTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.connection()
    }
}

impl DerefMut for StageTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.connection_mut()
    }
}

/// What became of a transaction that was to end its attempt.
#[derive(Debug)]
pub(crate) enum RowsAnswer {
    Landed,
    /// The attempt has ended otherwise: its job is another's, or its run has ended.
    Over,
    /// Nothing of it was kept; the attempt goes on.
    RolledBack(StoreError),
}

/// Whoever sees to the end of an attempt.
pub(crate) trait AttemptEnd: fmt::Debug + Send + Sync {
    /// Ends the attempt in that transaction. Goes on when nobody waits for the answer.
    fn commit(self: Arc<Self>, transaction: RowsTransaction, output: Payload) -> JoinHandle<RowsAnswer>;

    /// How failures of the stage are retried.
    fn policy(&self) -> RetryPolicy;
}

/// An attempt's way to end with rows of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct OwnRows {
    /// Connections for them; why there are none, in a test without a database and where a stage is tried by hand.
    store: Result<Arc<Store>, &'static str>,
    /// Bytes of an output.
    limit: usize,
    /// `None` until it begins.
    end: Option<Arc<dyn AttemptEnd>>,
}

impl OwnRows {
    pub(crate) fn new(store: Result<Arc<Store>, &'static str>, limit: usize) -> OwnRows {
        OwnRows { store, limit, end: None }
    }

    /// Its attempt begins, and that is whoever ends it.
    pub(crate) fn belong_to(&mut self, end: Arc<dyn AttemptEnd>) {
        self.end = Some(end);
    }

    pub(super) fn end(&self) -> Result<Arc<dyn AttemptEnd>, Failure> {
        self.end.clone().ok_or_else(|| Failure::unknown("this context belongs to no attempt of a worker"))
    }

    /// Has `work` write its rows, and ends the attempt with what it returns.
    pub(super) async fn commit<T, Fut>(
        &self,
        cancellation: &CancellationToken,
        work: impl FnMut(StageTransaction) -> Fut,
    ) -> Result<Committed<T>, Failure>
    where
        T: Serialize,
        Fut: Future<Output = Result<T, Failure>>,
    {
        let payload = |output: &T| Payload::of(output, self.limit).map_err(refused);
        self.commit_as(cancellation, work, payload).await
    }

    /// The same, where `payload` says what the output is.
    pub(super) async fn commit_as<T, Fut>(
        &self,
        cancellation: &CancellationToken,
        mut work: impl FnMut(StageTransaction) -> Fut,
        payload: impl Fn(&T) -> Result<Payload, Failure>,
    ) -> Result<Committed<T>, Failure>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        let mut backoff = Backoff::default();
        loop {
            match self.try_to(&mut work, &payload).await? {
                Ok(Some(committed)) => return Ok(committed),
                // Whatever the handler does next, its result will not be used.
                Ok(None) => {
                    cancellation.cancel();
                    return Err(Failure::unknown("nothing was committed: the job is no longer this attempt's"));
                }
                Err(StoreError::Refused(error)) => return Err(why(error)),
                Err(error) => wait(&mut backoff, error, "a transaction of the stage").await?,
            }
        }
    }

    /// `None` when the attempt has ended otherwise; the inner error is of a transaction that was rolled back.
    async fn try_to<T, Fut>(
        &self,
        work: impl FnOnce(StageTransaction) -> Fut,
        payload: impl Fn(&T) -> Result<Payload, Failure>,
    ) -> Result<Result<Option<Committed<T>>, StoreError>, Failure>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        let end = self.end()?;
        let store = self.store.as_ref().map_err(|why| Failure::unknown(*why))?;
        let lent = match store.begin_rows().await {
            Ok(transaction) => Arc::new(Mutex::new(transaction)),
            Err(error) => return Ok(Err(error)),
        };
        let worked = work(StageTransaction(lent.clone().lock_owned().await)).await;
        let Some(mut transaction) = Arc::into_inner(lent).map(Mutex::into_inner) else {
            return Err(Failure::unknown("nothing was committed: the transaction is still in use elsewhere"));
        };
        let output = match worked {
            Ok(output) => output,
            // On a connection that was lost it could not have worked.
            Err(failure) => return transaction.roll_back().await.map_or_else(|lost| Ok(Err(lost)), |()| Err(failure)),
        };
        let payload = payload(&output)?;
        if let Err(error) = transaction.take_over().await {
            return Ok(Err(error));
        }
        match end.commit(transaction, payload).await {
            Ok(RowsAnswer::Landed) => Ok(Ok(Some(Committed(output)))),
            Ok(RowsAnswer::RolledBack(error)) => Ok(Err(error)),
            Ok(RowsAnswer::Over) | Err(_) => Ok(Ok(None)),
        }
    }
}

/// What the database has against the end of a stage's transaction: mostly something that the stage did in it.
fn why(error: sqlx::Error) -> Failure {
    match error.as_database_error().and_then(|said| said.code()).as_deref() {
        // There is no transaction any more, or another one, without our savepoint.
        Some("25P01" | "3B001") => Failure::invalid_input(
            "the stage has ended its transaction itself, and its result was not committed with it: leave COMMIT and \
             ROLLBACK to context.commit",
        ),
        Some("25P02") => Failure::unknown(
            "a statement of the stage's transaction failed, and the stage went on: return its error, or set a savepoint \
             before it",
        ),
        _ => error.into(),
    }
}

/// The output of a stage cannot be kept.
pub(super) fn refused(error: impl fmt::Display) -> Failure {
    Failure::invalid_input(format!("the stage's output was refused: {error}"))
}
