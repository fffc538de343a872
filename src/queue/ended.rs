//! How an attempt ended.

use std::time::Duration;

use tokio::sync::oneshot;

use super::known::Known;
use super::round::RoundEnd;
use super::run_stage::Output;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::wait::NewWait;
use crate::stage::own_rows::RowsAnswer;
use crate::store::own_rows::RowsTransaction;

/// How an attempt ended, before anything is decided.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Finished(Output),
    Failed(Failure),
    /// It goes on when that wait is over.
    Waits(NewWait),
    /// Its round was not good enough, and another one is to begin.
    Again(RoundEnd),
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
    /// Of one that ends with rows of its own.
    pub(crate) own_rows: Option<Box<OwnRows>>,
}

/// A transaction that holds rows of a stage, and is to end its attempt.
#[derive(Debug)]
pub(crate) struct OwnRows {
    pub(crate) transaction: RowsTransaction,
    pub(crate) answer: oneshot::Sender<RowsAnswer>,
    /// The handler is done, or was dropped.
    pub(crate) handler_has_ended: oneshot::Receiver<()>,
}

impl Ended {
    /// Of a claim that never became an attempt.
    pub(crate) fn unbegun(claim: Claim) -> Ended {
        let (known, took) = (None, Duration::ZERO);
        let outcome = Outcome::NeverBegan;
        Ended { claim, known, outcome, took, artifacts: None, used_the_store: false, own_rows: None }
    }

    /// Bytes of what its commit carries.
    pub(crate) fn bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Finished(output) => output.payload.as_str().len(),
            Outcome::Failed(failure) => failure.bytes(),
            // It is not committed with others.
            Outcome::Again(_) => 0,
            Outcome::Waits(_) | Outcome::HandedBack | Outcome::NeverBegan => 0,
        }
    }
}
