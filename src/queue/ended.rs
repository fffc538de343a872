//! How an attempt ended.

use std::time::Duration;

use super::known::Known;
use super::run_stage::Output;
use crate::model::claim::Claim;
use crate::model::failure::Failure;

/// How an attempt ended, before anything is decided.
#[derive(Debug)]
pub(crate) enum Outcome {
    Finished(Output),
    Failed(Failure),
    /// It was stopped: the worker shuts down, or the claim no longer holds.
    HandedBack,
    /// It was claimed and never started.
    NeverBegan,
}

/// One attempt's end on its way to a committer.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) claim: Claim,
    /// `None` for a claim that nothing was read for.
    pub(crate) known: Option<Known>,
    pub(crate) outcome: Outcome,
    /// From the moment it began.
    pub(crate) took: Duration,
    /// How many artifacts it has kept whole; `None` where its end has nothing to say of artifacts.
    pub(crate) artifacts: Option<i32>,
    /// It has asked for the artifact store.
    pub(crate) used_the_store: bool,
}

impl Ended {
    /// Of a claim that never became an attempt.
    pub(crate) fn unbegun(claim: Claim) -> Ended {
        let (known, took) = (None, Duration::ZERO);
        Ended { claim, known, outcome: Outcome::NeverBegan, took, artifacts: None, used_the_store: false }
    }

    /// Bytes of what its commit carries.
    pub(crate) fn bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Finished(output) => output.payload.as_str().len(),
            Outcome::Failed(failure) => failure.bytes(),
            Outcome::HandedBack | Outcome::NeverBegan => 0,
        }
    }
}
