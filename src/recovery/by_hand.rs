//! Recovery by hand: what every worker does about once a second, shown or done at once.

use std::time::Duration;

use serde::Serialize;

use super::Recovery;
use crate::model::actor::Actor;
use crate::model::id::WorkerId;
use crate::store::freed::Freed;
use crate::store::gone::{By, SuspectedBoot};
use crate::store::queues::Queues;
use crate::store::workers::{HeldJob, Look, Seen};
use crate::store::{Store, StoreError};

/// No worker: every one that seems gone is told.
const NOBODY: WorkerId = WorkerId(0);

/// A worker that seems gone, and what it holds.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = GoneWorker))]
pub(crate) struct Gone {
    pub(crate) worker: String,
    /// Why it seems gone.
    pub(crate) sign: &'static str,
    pub(crate) jobs: i64,
}

/// A job of a worker that seems gone.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct RecoverableJob {
    #[serde(flatten)]
    pub(crate) job: HeldJob,
    pub(crate) worker: String,
    /// Why its worker seems gone.
    pub(crate) sign: &'static str,
}

/// What a recovery found, and what became of it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = Recovered))]
pub(crate) struct RecoveryReport {
    pub(crate) gone: Vec<Gone>,
    /// How many jobs were freed; nothing where that was not asked for.
    pub(crate) freed: Option<i64>,
    pub(crate) actions: Option<Freed>,
}

/// What would be done. Changes nothing.
pub(crate) async fn scan(store: &Store, lease: Duration) -> Result<RecoveryReport, StoreError> {
    let seen = look(store, lease).await?;
    Ok(RecoveryReport { gone: gone(store, &seen).await?, freed: None, actions: None })
}

/// Jobs that would be freed, so many at most. Changes nothing.
pub(crate) async fn jobs(store: &Store, lease: Duration, limit: i64) -> Result<Vec<RecoverableJob>, StoreError> {
    let seen = look(store, lease).await?;
    let mut jobs = Vec::new();
    for SuspectedBoot { worker, name, sign, .. } in &seen.suspects {
        let left = limit - i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        let told = |job| RecoverableJob { job, worker: name.clone(), sign: sign.words() };
        jobs.extend(store.held_jobs(*worker, left).await?.into_iter().map(told));
    }
    Ok(jobs)
}

/// Frees the jobs of workers that are gone, as seen from that machine.
pub(crate) async fn recover(
    store: &Store,
    lease: Duration,
    host: String,
    by: Actor<'_>,
) -> Result<RecoveryReport, StoreError> {
    let mut seen = look(store, lease).await?;
    let gone = gone(store, &seen).await?;
    let mut recovery = Recovery::new(host);
    let mut freed = Freed::default();
    // A lock that is seen free is believed when it stays so: looks again until nothing is left to wait for.
    loop {
        let recovered = recovery.recover(store, &seen.suspects, By::Person(by)).await?;
        freed += recovered.freed;
        let Some(wait) = recovered.again_in else { break };
        tokio::time::sleep(wait).await;
        seen = look(store, lease).await?;
    }
    Ok(RecoveryReport { gone, freed: Some(freed.jobs()), actions: Some(freed) })
}

async fn look(store: &Store, lease: Duration) -> Result<Seen, StoreError> {
    let queues = Queues { workflows: &[], unknown: &[] };
    store.look(Look { me: NOBODY, lease, for_all: true, beat: false, queues }).await
}

async fn gone(store: &Store, seen: &Seen) -> Result<Vec<Gone>, StoreError> {
    let mut gone = Vec::new();
    for SuspectedBoot { worker, name, sign, .. } in &seen.suspects {
        gone.push(Gone { worker: name.clone(), sign: sign.words(), jobs: store.held_count(*worker).await? });
    }
    Ok(gone)
}
