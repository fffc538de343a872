//! Starts runs at a steady rate, whatever happens to the database meanwhile.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::ChaosError;
use super::workload::RunInput;
use crate::model::id::{RunId, VersionId};
use crate::model::payload::Payload;
use crate::store::backoff::Backoff;
use crate::store::chaos::Witness;
use crate::store::runs::RunStart;
use crate::store::{Store, StoreError};

/// Items of a fan-out, at most.
const ITEMS: u32 = 12;

/// What the runs are started on.
#[derive(Debug, Clone)]
pub(crate) enum Inputs {
    /// Of the campaign's own workflow, drawn from its seed.
    Drawn(u64),
    /// The same for each.
    Given(Payload),
}

/// What is started, and how fast.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) version: VersionId,
    pub(crate) inputs: Inputs,
    pub(crate) per_s: f64,
    pub(crate) length: Duration,
}

/// Runs that may be under way at once. On a machine that cannot keep up, faults are to meet running jobs and no backlog.
const MOST_AT_ONCE: i64 = 200;
/// Between two counts of them.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Comes back with their number when the time is over.
pub(super) async fn offer(offer: Offer, store: Store, witness: Witness) -> Result<u64, ChaosError> {
    let mut dice = match offer.inputs {
        Inputs::Drawn(seed) => StdRng::seed_from_u64(seed),
        Inputs::Given(_) => StdRng::seed_from_u64(0),
    };
    let (begun, mut started) = (Instant::now(), 0u64);
    let (mut next, mut counted) = (begun, begun);
    while begun.elapsed() < offer.length {
        if counted.elapsed() >= COUNT_EVERY {
            counted = Instant::now();
            if witness.unsettled().await?.is_none_or(|runs| runs >= MOST_AT_ONCE) {
                tokio::time::sleep(COUNT_EVERY).await;
                continue;
            }
        }
        let input = match &offer.inputs {
            // 53 bits: a number that every reader of JSON keeps.
            Inputs::Drawn(_) => {
                let input = RunInput { seed: dice.random::<u64>() >> 11, items: dice.random_range(0..=ITEMS) };
                Payload::of(&input, usize::MAX).map_err(|error| ChaosError::Workload(error.to_string()))?
            }
            Inputs::Given(input) => input.clone(),
        };
        start(&store, offer.version, &input).await?;
        started += 1;
        next += Duration::from_secs_f64(1.0 / offer.per_s);
        next = next.max(Instant::now());
        tokio::time::sleep_until(next).await;
    }
    Ok(started)
}

/// Under an id of its own, so that a start whose answer was lost is recognised.
async fn start(store: &Store, version: VersionId, input: &Payload) -> Result<(), StoreError> {
    let (id, mut backoff) = (RunId::new(), Backoff::default());
    let start = RunStart::on(input.clone());
    loop {
        match store.start_run(id, version, &start).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Away(_)) => backoff.wait().await,
            Err(refused) => match store.run(id).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) | Err(_) => return Err(refused),
            },
        }
    }
}
