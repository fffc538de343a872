//! Batches: start, cancel and retry them.

use sqlx::types::Uuid;

use super::log;
use crate::events;
use crate::model::actor::Actor;
use crate::model::payload::Payload;
use crate::store::backoff::Backoff;
use crate::store::batches::{BatchKey, BatchRow, BatchStart};
use crate::store::{Store, StoreError};

/// Runs that one statement starts.
const FED_AT_ONCE: i32 = 5000;
/// Items whose runs one statement cancels: their rows are locked for as long as it takes.
const CANCELLED_AT_ONCE: i32 = 100;
/// Tries of one statement: a commit may have been in its way.
const TRIES: usize = 10;

/// Starts one that fits into memory, as a whole or not at all; its id, or a refusal with the reason.
pub(crate) async fn start_batch(
    store: &Store,
    start: BatchStart<'_>,
    inputs: &[Payload],
    by: &str,
) -> Result<Uuid, StoreError> {
    let batch = store.start_batch(start, inputs, by).await?;
    events::decision::batch_started(start.name, start.workflow, inputs.len(), by);
    Ok(batch)
}

/// Starts the runs of one whose items are in, as many as its cap allows.
pub(crate) async fn feed_batch(store: &Store, key: BatchKey, by: &str) -> Result<BatchRow, StoreError> {
    // A worker that looks meanwhile does the same: then there is nothing left for this.
    while store.feed_batch(key, FED_AT_ONCE).await?.is_some_and(|fed| fed > 0) {}
    let row = store.batch_of(key).await?;
    events::decision::batch_started(&row.name, &row.workflow, row.items, by);
    Ok(row)
}

/// A batch that was cancelled, as it was then.
#[derive(Debug)]
pub(crate) struct CancelledBatch {
    pub(crate) row: BatchRow,
    /// How many of its runs were ended.
    pub(crate) runs: usize,
}

/// First nothing more of it begins, and then its runs end, some at a time. A caller that is cut short asks again. `None` for one that
/// was not whole: nothing of it had begun, and it is discarded.
pub(crate) async fn cancel_batch(
    store: &Store,
    batch: &str,
    reason: &str,
    by: Actor<'_>,
) -> Result<Option<CancelledBatch>, StoreError> {
    let Some(key) = store.stop_batch(batch, reason, by).await? else {
        events::decision::batch_cancelled(batch, by.name);
        return Ok(None);
    };
    let row = store.batch_of(key).await?;
    events::decision::batch_cancelled(&row.name, by.name);
    let begun = row.items - row.not_started;
    let (mut first, mut runs) = (1, 0);
    while first <= begun {
        let some = cancel_some(store, key, (first, first + CANCELLED_AT_ONCE - 1), by).await?;
        some.iter().for_each(|run| events::decision::cancelled(run, by.name));
        runs += some.len();
        first += CANCELLED_AT_ONCE;
    }
    Ok(Some(CancelledBatch { row, runs }))
}

/// Postgres ends one of two that wait for each other: then it is asked again.
async fn cancel_some(store: &Store, key: BatchKey, items: (i32, i32), by: Actor<'_>) -> Result<Vec<Uuid>, StoreError> {
    let mut backoff = Backoff::default();
    for _ in 1..TRIES {
        match store.cancel_batch_runs(key, items, by).await {
            Err(StoreError::Away(error)) => {
                tracing::debug!("asked again: {error}");
                backoff.wait().await;
            }
            answered => return answered,
        }
    }
    store.cancel_batch_runs(key, items, by).await
}

/// Lets the jobs of a batch's pending dead letters go on, all or those of a class; tells how many there were.
pub(crate) async fn retry_batch(
    store: &Store,
    batch: &str,
    class: Option<&str>,
    note: Option<&str>,
    by: Actor<'_>,
) -> Result<usize, StoreError> {
    let ids = store.retry_batch(batch, class, by, note).await?;
    log::decided(store, &ids, by.name).await;
    Ok(ids.len())
}
