//! Counts of attempts whose worker was gone, kept by the worker that found that out.

use super::catalog::{ATTEMPTS, DEAD_LETTERED, FAILURES, JOBS_FINISHED, RECOVERIES, SUSPECTED};
use super::stage::AttemptEnd;
use crate::model::failure::FailureClass;

/// Jobs of one stage that were taken from a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovered<'s> {
    pub(crate) workflow: &'s str,
    pub(crate) stage: &'s str,
    /// Their runs go on behind checkpoints.
    pub(crate) resumed: u64,
    /// Their runs had no checkpoint yet.
    pub(crate) restarted: u64,
    pub(crate) dead_lettered: u64,
    /// Among those resumed or restarted: they wait to run alone.
    pub(crate) suspected: u64,
}

impl Recovered<'_> {
    pub(crate) fn count(self) {
        let stage = [self.workflow, self.stage];
        let with = |last: &'static str| [self.workflow, self.stage, last];
        let lost = self.resumed + self.restarted + self.dead_lettered;
        ATTEMPTS.counter(&with(AttemptEnd::Lost.as_str())).increment(lost);
        FAILURES.counter(&with(FailureClass::Crashed.as_str())).increment(lost);
        SUSPECTED.counter(&stage).increment(self.suspected);
        if self.dead_lettered > 0 {
            DEAD_LETTERED.counter(&with(FailureClass::Crashed.as_str())).increment(self.dead_lettered);
            JOBS_FINISHED.counter(&with(AttemptEnd::DeadLettered.as_str())).increment(self.dead_lettered);
        }
        let actions = [("resumed", self.resumed), ("restarted", self.restarted), ("dead_lettered", self.dead_lettered)];
        for (action, jobs) in actions {
            RECOVERIES.counter(&[action]).increment(jobs);
        }
    }

    /// Shows every action from the start.
    pub(crate) fn begins_at_zero() {
        for action in ["resumed", "restarted", "dead_lettered"] {
            RECOVERIES.counter(&[action]).increment(0);
        }
    }
}
