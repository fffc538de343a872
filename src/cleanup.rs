//! Deletes what a plan lists: in small batches with pauses, so that the engine does not notice.

mod how_long;
pub(crate) mod scan;

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::types::Uuid;

pub(crate) use self::how_long::HowLong;
use crate::artifacts::Artifacts;
use crate::meters::catalog::{CLEANUP_BYTES, CLEANUP_DELETED, CLEANUP_ERRORS};
use crate::model::actor::Actor;
use crate::store::cleanup::{CleanupGroup, DueGroup};
use crate::store::{Store, StoreError};

/// Runs, artifacts, batches, workers and versions of one plan.
pub(crate) const PLANNED: i32 = 100_000;
/// Runs that one statement deletes; their rows are locked for as long as it takes.
const RUNS_AT_ONCE: i32 = 50;
/// Batches that one statement deletes, each with all its items.
const BATCHES_AT_ONCE: i32 = 1;
/// Workers and workflow versions that one statement deletes.
const RECORDS_AT_ONCE: i32 = 50;
/// Artifacts whose files are deleted between two statements.
const ARTIFACTS_AT_ONCE: i32 = 100;
/// A batch is followed by a pause this many times as long.
const PAUSE: u32 = 6;

/// What a cleanup would delete, and what it would not.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct Preview {
    pub(crate) plan: Uuid,
    pub(crate) deletes: Vec<CleanupGroup>,
    /// Old enough, and stays.
    pub(crate) refuses: Vec<DueGroup>,
}

/// Writes a plan, and deletes nothing.
pub(crate) async fn preview(store: &Store, actor: &str) -> Result<Preview, StoreError> {
    let plan = store.plan_cleanup(PLANNED, actor).await?;
    Ok(Preview { plan, deletes: store.cleanup(plan).await?, refuses: store.cleanup_refuses().await? })
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    /// Exactly that, or nothing: somebody has looked at it.
    Shown(Uuid),
    /// What of it is due, whoever else cleans up beside it.
    Unseen(Uuid),
}

/// Begins a plan, or goes on with one that was cut short, and does all of it that is left. What was deleted, by what it was.
pub(crate) async fn run(
    store: &Store,
    artifacts: Option<&Artifacts>,
    plan: Plan,
    actor: Option<Actor<'_>>,
) -> Result<Vec<CleanupGroup>, StoreError> {
    let (plan, shown) = match plan {
        Plan::Shown(plan) => (plan, true),
        Plan::Unseen(plan) => (plan, false),
    };
    store.begin_cleanup(plan, actor, shown).await?;
    let before = store.cleanup(plan).await?;
    // Without a store the files cannot be reached, and their rows stay.
    if let Some(artifacts) = artifacts {
        while delete_artifacts(store, artifacts, plan).await? {}
    }
    while in_turn(store.clean_runs(plan, RUNS_AT_ONCE)).await? > 0 {}
    while in_turn(store.clean_batches(plan, BATCHES_AT_ONCE)).await? > 0 {}
    while in_turn(store.clean_records(plan, RECORDS_AT_ONCE)).await? > 0 {}
    store.end_cleanup(plan).await?;
    let groups = store.cleanup(plan).await?;
    for group in &groups {
        let same =
            |g: &&CleanupGroup| (&g.what, &g.r#type, &g.workflow) == (&group.what, &group.r#type, &group.workflow);
        count(group, before.iter().find(same));
    }
    Ok(groups)
}

/// One batch; `false` when none was left.
async fn delete_artifacts(store: &Store, artifacts: &Artifacts, plan: Uuid) -> Result<bool, StoreError> {
    if !store.has_artifacts_left(plan).await? {
        return Ok(false);
    }
    let begun = Instant::now();
    let taken = store.take_artifacts(plan, ARTIFACTS_AT_ONCE).await?;
    let (mut numbers, mut errors) = (Vec::new(), Vec::new());
    for (number, address) in taken {
        numbers.push(number);
        errors.push(artifacts.delete(&address).await.err().map(|error| error.to_string()));
    }
    store.artifacts_deleted(plan, &numbers, &errors).await?;
    pause(begun.elapsed()).await;
    Ok(true)
}

/// One batch, and the pause behind it.
async fn in_turn<T>(batch: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let begun = Instant::now();
    let done = batch.await?;
    pause(begun.elapsed()).await;
    Ok(done)
}

async fn pause(took: Duration) {
    tokio::time::sleep(took * PAUSE).await;
}

/// What an earlier go at the same plan has done was counted then.
fn count(group: &CleanupGroup, before: Option<&CleanupGroup>) {
    let labels: [&str; 2] = [&group.what, &group.r#type];
    let more = |of: fn(&CleanupGroup) -> i64| (of(group) - before.map_or(0, of)).unsigned_abs();
    CLEANUP_DELETED.counter(&labels).increment(more(|group| group.deleted));
    CLEANUP_ERRORS.counter(&labels).increment(more(|group| group.errors));
    CLEANUP_BYTES.counter(&labels).increment(more(|group| group.deleted_bytes));
}
