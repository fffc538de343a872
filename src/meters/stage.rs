//! Counts of one stage's attempts. The counters are looked up once, for a busy worker ends a hundred thousand attempts a
//! second.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Histogram};

use super::catalog::{
    ATTEMPT_DURATION, ATTEMPTS, DEAD_LETTERED, FAILURES, JOB_WAIT, JOBS_FINISHED, JOBS_STARTED, RETRIES, ROUNDS,
};
use super::tally::Tally;
use crate::model::counts::Counts;
use crate::model::failure::FailureClass;

/// How an attempt ended, in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    Done,
    /// Its condition did not hold, or what it needs was skipped.
    Skipped,
    /// It was given up, and its run goes on without it.
    Tolerated,
    Retried,
    DeadLettered,
    /// It goes on when its wait is over, and ends then.
    Waits,
    /// It was handed back.
    Released,
    /// Its run was ended, enough others are done, its stage is done again, or it was given up by hand.
    Cancelled,
    /// Its claim held no more, so that it changed nothing.
    Fenced,
    /// Its worker was gone.
    Lost,
}

impl AttemptEnd {
    const ALL: [AttemptEnd; 10] = [
        AttemptEnd::Done,
        AttemptEnd::Skipped,
        AttemptEnd::Tolerated,
        AttemptEnd::Retried,
        AttemptEnd::DeadLettered,
        AttemptEnd::Waits,
        AttemptEnd::Released,
        AttemptEnd::Cancelled,
        AttemptEnd::Fenced,
        AttemptEnd::Lost,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            AttemptEnd::Done => "done",
            AttemptEnd::Skipped => "skipped",
            AttemptEnd::Tolerated => "tolerated",
            AttemptEnd::Retried => "retried",
            AttemptEnd::DeadLettered => "dead_lettered",
            AttemptEnd::Waits => "waits",
            AttemptEnd::Released => "released",
            AttemptEnd::Cancelled => "cancelled",
            AttemptEnd::Fenced => "fenced",
            AttemptEnd::Lost => "lost",
        }
    }
}

/// The meters of one stage.
#[derive(Debug)]
pub(crate) struct StageMeters {
    workflow: String,
    stage: String,
    /// None before its first attempt: of what never happened there is nothing to show.
    counted: OnceLock<Counted>,
    tally: Tally,
    /// Jobs that are done, and jobs that were given up.
    jobs: (AtomicU64, AtomicU64),
}

/// What is shown of a stage.
#[derive(Debug)]
struct Counted {
    started: Counter,
    wait: Histogram,
    duration: Histogram,
    /// In the order of [`AttemptEnd::ALL`].
    attempts: [Counter; AttemptEnd::ALL.len()],
    jobs_done: Counter,
    jobs_skipped: Counter,
    jobs_tolerated: Counter,
    jobs_dead_lettered: Counter,
}

impl StageMeters {
    pub(crate) fn new(workflow: &str, stage: &str) -> StageMeters {
        StageMeters {
            workflow: workflow.to_owned(),
            stage: stage.to_owned(),
            counted: OnceLock::new(),
            tally: Tally::default(),
            jobs: Default::default(),
        }
    }

    /// Shows every outcome from the first attempt on, so that the first of its kind is seen as a change.
    fn counted(&self) -> &Counted {
        let (workflow, stage) = (&*self.workflow, &*self.stage);
        self.counted.get_or_init(|| {
            let counted = |outcome: AttemptEnd| {
                let counter = ATTEMPTS.counter(&[workflow, stage, outcome.as_str()]);
                counter.increment(0);
                counter
            };
            let finished = |outcome: AttemptEnd| JOBS_FINISHED.counter(&[workflow, stage, outcome.as_str()]);
            Counted {
                started: JOBS_STARTED.counter(&[workflow, stage]),
                wait: JOB_WAIT.histogram(&[workflow, stage]),
                duration: ATTEMPT_DURATION.histogram(&[workflow, stage]),
                attempts: AttemptEnd::ALL.map(counted),
                jobs_done: finished(AttemptEnd::Done),
                jobs_skipped: finished(AttemptEnd::Skipped),
                jobs_tolerated: finished(AttemptEnd::Tolerated),
                jobs_dead_lettered: finished(AttemptEnd::DeadLettered),
            }
        })
    }

    /// An attempt begins, after a wait.
    pub(crate) fn begins(&self, attempt: i32, waited: Duration) {
        let counted = self.counted();
        if attempt == 1 {
            counted.started.increment(1);
        }
        counted.wait.record(waited);
        self.tally.begins(waited);
    }

    /// Jobs were skipped that had no attempt of this worker: enough others were done.
    pub(crate) fn skipped(&self, jobs: u64) {
        self.counted().jobs_skipped.increment(jobs);
    }

    /// An attempt ran, whatever becomes of its result.
    pub(crate) fn ran(&self, took: Duration) {
        self.counted().duration.record(took);
        self.tally.ran(took);
    }

    /// A round that it has decided about was not good enough.
    pub(crate) fn another_round(&self) {
        ROUNDS.counter(&[&self.workflow, &self.stage]).increment(1);
    }

    /// The stage was split into that many items.
    pub(crate) fn split(&self, items: u64) {
        self.tally.split(items);
    }

    /// What happened since this was last asked; `None` where nothing did.
    pub(crate) fn take_counts(&self) -> Option<Counts> {
        let counts = self.tally.take(self.jobs());
        let named = || Counts { workflow: self.workflow.clone(), stage: self.stage.clone(), ..counts.clone() };
        (!counts.is_empty()).then(named)
    }

    /// How many jobs are done, and how many were given up.
    pub(crate) fn jobs(&self) -> (u64, u64) {
        (self.jobs.0.load(Ordering::Relaxed), self.jobs.1.load(Ordering::Relaxed))
    }

    /// The end of an attempt is in the database, or turned out not to count.
    pub(crate) fn ended(&self, outcome: AttemptEnd) {
        // The order of the variants is that of the counters.
        let counted = self.counted();
        if let Some(counter) = counted.attempts.get(outcome as usize) {
            counter.increment(1);
        }
        match outcome {
            AttemptEnd::Done => {
                counted.jobs_done.increment(1);
                self.jobs.0.fetch_add(1, Ordering::Relaxed);
            }
            // It is left no more.
            AttemptEnd::Skipped => {
                counted.jobs_skipped.increment(1);
                self.jobs.0.fetch_add(1, Ordering::Relaxed);
            }
            AttemptEnd::Tolerated => {
                counted.jobs_tolerated.increment(1);
                self.jobs.0.fetch_add(1, Ordering::Relaxed);
            }
            AttemptEnd::DeadLettered => {
                counted.jobs_dead_lettered.increment(1);
                self.jobs.1.fetch_add(1, Ordering::Relaxed);
            }
            AttemptEnd::Retried
            | AttemptEnd::Waits
            | AttemptEnd::Released
            | AttemptEnd::Cancelled
            | AttemptEnd::Fenced
            | AttemptEnd::Lost => {}
        }
    }

    /// The same, for an attempt that failed: `outcome` is what follows.
    pub(crate) fn failed(&self, class: FailureClass, outcome: AttemptEnd) {
        self.ended(outcome);
        self.tally.failed();
        let labels: [&str; 3] = [&self.workflow, &self.stage, class.as_str()];
        FAILURES.counter(&labels).increment(1);
        match outcome {
            AttemptEnd::DeadLettered | AttemptEnd::Tolerated => DEAD_LETTERED.counter(&labels).increment(1),
            AttemptEnd::Retried => RETRIES.counter(&labels).increment(1),
            AttemptEnd::Done
            | AttemptEnd::Skipped
            | AttemptEnd::Waits
            | AttemptEnd::Released
            | AttemptEnd::Cancelled
            | AttemptEnd::Fenced
            | AttemptEnd::Lost => {}
        }
    }
}
