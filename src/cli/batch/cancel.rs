//! `piton batch cancel`.

use sqlx::types::Uuid;

use super::say;
use crate::cli::args::Global;
use crate::cli::refusal::refused;
use crate::events;
use crate::model::actor::Actor;
use crate::store::backoff::Backoff;
use crate::store::batches::BatchKey;
use crate::store::{Store, StoreError};

/// Items whose runs one statement cancels: their rows are locked for as long as it takes.
const AT_ONCE: i32 = 100;
/// Tries of one statement: a commit may have been in its way.
const TRIES: usize = 10;

/// First nothing more of it begins, and then its runs end, some at a time. Who is cut short asks again.
pub(super) async fn cancel(
    store: &Store,
    global: &Global,
    batch: &str,
    (reason, by): (&str, Actor<'_>),
) -> anyhow::Result<()> {
    let Some(key) = store.stop_batch(batch, reason, by).await.map_err(refused)? else {
        say::discarded(global, batch);
        return Ok(());
    };
    let row = store.batch_of(key).await?;
    let begun = row.items - row.not_started;
    let mut cancelled = 0;
    let mut first = 1;
    while first <= begun {
        let runs = some(store, key, (first, first + AT_ONCE - 1), by).await?;
        runs.iter().for_each(|run| events::decision::cancelled(run, by.name));
        cancelled += runs.len();
        first += AT_ONCE;
    }
    say::cancelled(global, &row, cancelled);
    Ok(())
}

/// Postgres ends one of two that wait for each other: then it is asked again.
async fn some(store: &Store, key: BatchKey, items: (i32, i32), by: Actor<'_>) -> Result<Vec<Uuid>, StoreError> {
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
