//! A branch that stays with its worker from one stage to the next.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::catalog::Version;
use super::inputs::{self, Prepared, RunInput};
use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, NO_ITEM};
use crate::model::payload::{Payload, PayloadLimits};

/// What was read for an attempt, and what a next one of its run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) version: Arc<Version>,
    pub(crate) run: RunInput,
}

/// The next stage of a branch, and what is known for it.
#[derive(Debug)]
pub(super) struct Onward {
    pub(super) next_stage: i16,
    pub(super) known: Known,
}

impl Onward {
    /// The attempt that the commit of `done` makes.
    pub(super) fn key(&self, done: &Claim) -> AttemptKey {
        AttemptKey { stage: self.next_stage, item: NO_ITEM, attempt: 1, ..done.key }
    }

    /// Its claim, once the commit at that moment has made it.
    pub(super) fn claim(&self, done: &Claim, at: DateTime<Utc>) -> Claim {
        Claim { key: self.key(done), started_at: at, in_a_row: done.in_a_row + 1, ..*done }
    }

    /// Its inputs: the run's, and the output that was just committed.
    pub(super) fn prepare(self, limits: &PayloadLimits, claim: Claim, done: &Claim, output: &Payload) -> Prepared {
        let Known { version, run } = self.known;
        inputs::prepare_next(limits, claim, version, run, (done.key.stage, output))
    }
}
