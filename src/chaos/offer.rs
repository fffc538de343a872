//! Starts runs at a steady rate, whatever happens to the database.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::ChaosError;
use super::acknowledged::{Acknowledged, Started};
use super::answers::Answers;
use super::servers::Servers;
use super::workload::RunInput;
use crate::model::id::{RunId, VersionId};
use crate::model::payload::Payload;
use crate::store::backoff::Backoff;
use crate::store::chaos::{Inspector, unless_away};
use crate::store::starts::RunStart;
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

/// What is started, how fast, and what was started so far.
pub(crate) struct Offer {
    pub(crate) version: VersionId,
    pub(crate) inputs: Inputs,
    pub(crate) per_s: f64,
    pub(crate) length: Duration,
    pub(crate) store: Store,
    pub(crate) inspector: Inspector,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) answers: Answers,
}

/// Runs that may be under way at once. On a machine that cannot keep up, faults are to meet running jobs and no backlog.
const MOST_AT_ONCE: i64 = 200;
/// Between two counts of them.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Runs that a failover loses, and as many that are started at once when it is over. A sequence is up to 32 numbers ahead on
/// a standby: with fewer, none would get the number of a lost one.
const LOST_AT_ONCE: usize = 50;
/// Then they run: their results are there when others have their numbers.
const UNTIL_CLAIMED: Duration = Duration::from_millis(200);

impl Offer {
    /// Comes back when the time is over.
    pub(super) async fn make(&self) -> Result<(), ChaosError> {
        let mut dice = self.dice(0);
        let begun = Instant::now();
        let (mut next, mut counted) = (begun, begun);
        while begun.elapsed() < self.length {
            if counted.elapsed() >= COUNT_EVERY {
                counted = Instant::now();
                if self.inspector.unsettled().await?.is_none_or(|runs| runs >= MOST_AT_ONCE) {
                    tokio::time::sleep(COUNT_EVERY).await;
                    continue;
                }
            }
            match self.inputs.clone() {
                Inputs::Drawn(_) => {
                    let input = drawn(&mut dice, ITEMS);
                    let run = self.start(payload(&input)?).await?;
                    self.answers.send(run.0, input.seed);
                }
                Inputs::Given(input) => drop(self.start(input).await?),
            }
            next += Duration::from_secs_f64(1.0 / self.per_s);
            next = next.max(Instant::now());
            tokio::time::sleep_until(next).await;
        }
        Ok(())
    }

    /// Lets Postgres fail over, with many small runs among what is lost, and as many started at once behind it, which get
    /// the numbers of those. Says when the new server served.
    pub(super) async fn across_a_rewind(
        &self,
        servers: &Servers,
        lasts: Duration,
    ) -> Result<DateTime<Utc>, ChaosError> {
        let mut dice = self.dice(lasts.as_nanos() as u64);
        let (lost, new) = (self.draw_many(&mut dice)?, self.draw_many(&mut dice)?);
        let mut before = None;
        let meanwhile = async {
            tokio::time::sleep(lasts).await;
            // Which numbers come next only makes a rewind worse: where another fault is in the way, it goes without.
            before = unless_away(self.inspector.numbers().await)?;
            self.start_all(lost).await?;
            tokio::time::sleep(UNTIL_CLAIMED).await;
            Ok(())
        };
        let rewound = servers.rewind(&self.inspector, meanwhile).await?;
        let served_at = rewound.lost_until;
        self.acknowledged.rewound(rewound);
        if let Some(before) = before {
            unless_away(self.inspector.use_up(before).await)?;
        }
        self.start_all(new).await?;
        Ok(served_at)
    }

    fn dice(&self, more: u64) -> StdRng {
        match self.inputs {
            Inputs::Drawn(seed) => StdRng::seed_from_u64(seed ^ more),
            Inputs::Given(_) => StdRng::seed_from_u64(more),
        }
    }

    /// Small ones, whose first stage takes its time.
    fn draw_many(&self, dice: &mut StdRng) -> Result<Vec<Payload>, ChaosError> {
        (0..LOST_AT_ONCE)
            .map(|_| match &self.inputs {
                Inputs::Given(input) => Ok(input.clone()),
                Inputs::Drawn(_) => payload(&RunInput { slow: true, ..drawn(dice, 1) }),
            })
            .collect()
    }

    /// All at once, so that the numbers of their runs and of their jobs go side by side. A statement starts all of them or
    /// none, under ids of their own, as `start` does.
    async fn start_all(&self, inputs: Vec<Payload>) -> Result<(), ChaosError> {
        let runs: Vec<(RunId, Payload)> = inputs.into_iter().map(|input| (RunId::new(), input)).collect();
        let Some((first, _)) = runs.first() else { return Ok(()) };
        let mut backoff = Backoff::default();
        let sent_at = loop {
            let sent_at = Utc::now();
            match self.inspector.start_runs(self.version, &runs).await {
                Ok(()) => break sent_at,
                Err(StoreError::Away(_)) => backoff.wait().await,
                Err(refused) => match self.store.run(*first).await {
                    Ok(Some(_)) => break sent_at,
                    Ok(None) | Err(_) => return Err(refused.into()),
                },
            }
        };
        let acknowledged_at = Utc::now();
        for (id, input) in runs {
            self.acknowledged.started(id.0, Started { input, sent_at, acknowledged_at });
        }
        Ok(())
    }

    /// Under an id of its own, so that a start whose answer was lost is recognised.
    async fn start(&self, input: Payload) -> Result<RunId, StoreError> {
        let (id, mut backoff) = (RunId::new(), Backoff::default());
        let start = RunStart::on(input.clone());
        loop {
            let sent_at = Utc::now();
            match self.store.start_run(id, self.version, &start).await {
                Ok(_) => {}
                Err(StoreError::Away(_)) => {
                    backoff.wait().await;
                    continue;
                }
                Err(refused) => match self.store.run(id).await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return Err(refused),
                },
            }
            self.acknowledged.started(id.0, Started { input, sent_at, acknowledged_at: Utc::now() });
            return Ok(id);
        }
    }
}

fn drawn(dice: &mut StdRng, items: u32) -> RunInput {
    // 53 bits: a number that every reader of JSON keeps.
    RunInput { seed: dice.random::<u64>() >> 11, items: dice.random_range(0..=items), slow: false }
}

fn payload(input: &RunInput) -> Result<Payload, ChaosError> {
    Payload::of(input, usize::MAX).map_err(|error| ChaosError::Workload(error.to_string()))
}
