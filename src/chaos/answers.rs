//! Answers what the runs of a campaign wait for, signals and callbacks: early, in time, twice, late or never, as the seed of each run says.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::judge::Wrong;
use super::workload::{Approved, PATIENCE};
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::chaos::Inspector;
use crate::store::chaos_rows::Asked;

/// When most answers come: many find their run waiting, some come before that.
const IN_TIME: Duration = Duration::from_millis(700);
/// Between two looks at what the service was asked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Behind the timeout, as far as nothing hinders the run.
const LATE: Duration = Duration::from_millis(500);

/// An answer as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    /// What it says.
    pub(crate) by: u32,
    pub(crate) sent_at: DateTime<Utc>,
    /// When the database had said that it counts.
    pub(crate) taken_at: Option<DateTime<Utc>>,
}

/// What is answered.
#[derive(Debug, Clone)]
enum Door {
    Signal,
    /// With its token.
    Callback(String),
}

impl Door {
    /// The stage that waits there; the signal has its name.
    fn stage(&self) -> &'static str {
        match self {
            Door::Signal => "approval",
            Door::Callback(_) => "ask",
        }
    }
}

/// What is sent to which run.
pub(crate) struct Answers {
    inspector: Inspector,
    tasks: TaskTracker,
    sent: Arc<Mutex<Sent>>,
}

#[derive(Default)]
struct Sent {
    /// By run and stage.
    to: BTreeMap<(Uuid, &'static str), Vec<Answer>>,
    wrong: Vec<Wrong>,
}

impl Answers {
    pub(crate) fn new(inspector: Inspector) -> Answers {
        Answers { inspector, tasks: TaskTracker::new(), sent: Arc::default() }
    }

    /// Sends the signals that the run's seed asks for, in their time.
    pub(super) fn send(&self, run: Uuid, seed: u64) {
        self.send_all(run, &Door::Signal, seed);
    }

    /// Is the service that the stage `ask` asks. Comes back only with an error.
    pub(super) async fn serve(&self) -> StoreError {
        let mut known = HashSet::new();
        loop {
            let asked = match self.inspector.asked().await {
                Ok(asked) => asked,
                Err(error) => return error,
            };
            for Asked { key, run, seed, token } in asked {
                if known.insert(key) {
                    // Not as the signal of the same run.
                    self.send_all(run, &Door::Callback(token), seed.unsigned_abs() / 5);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn send_all(&self, run: Uuid, door: &Door, seed: u64) {
        for (by, after) in planned(seed) {
            let (inspector, sent, door) = (self.inspector.clone(), self.sent.clone(), door.clone());
            self.tasks.spawn(async move {
                tokio::time::sleep(after).await;
                let answered = answer(&inspector, run, &door, by).await;
                let mut sent = lock(&sent);
                match answered {
                    Ok(answer) => sent.to.entry((run, door.stage())).or_default().push(answer),
                    Err(refused) => sent.wrong.push(("answers that failed", format!("{run}: {refused}"))),
                }
            });
        }
    }

    /// Until all of them are sent. Returns what went wrong.
    pub(super) async fn finish(&self) -> Vec<Wrong> {
        self.tasks.close();
        self.tasks.wait().await;
        std::mem::take(&mut lock(&self.sent).wrong)
    }

    pub(super) fn to(&self, run: Uuid, stage: &'static str) -> Vec<Answer> {
        lock(&self.sent).to.get(&(run, stage)).cloned().unwrap_or_default()
    }
}

/// The answers to a run of that seed: what each says, and how long after the start it is sent.
fn planned(seed: u64) -> Vec<(u32, Duration)> {
    match seed % 5 {
        0 => vec![(1, Duration::ZERO)],
        1 => vec![(1, IN_TIME)],
        2 => vec![(1, IN_TIME), (2, IN_TIME)],
        3 => vec![(1, PATIENCE + LATE)],
        _ => Vec::new(),
    }
}

/// Sent again while the database is away: then the first one may have counted, though nobody was told.
async fn answer(inspector: &Inspector, run: Uuid, door: &Door, by: u32) -> Result<Answer, StoreError> {
    let (sent_at, mut backoff) = (Utc::now(), Backoff::default());
    loop {
        let sent = match door {
            Door::Signal => inspector.signal(run, door.stage(), &Approved { by }).await,
            Door::Callback(token) => inspector.complete(token, &Approved { by }).await,
        };
        match sent {
            Ok(counts) => return Ok(Answer { by, sent_at, taken_at: counts.then(Utc::now) }),
            Err(StoreError::Away(_)) => backoff.wait().await,
            Err(refused) => return Err(refused),
        }
    }
}

fn lock(sent: &Mutex<Sent>) -> MutexGuard<'_, Sent> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}
