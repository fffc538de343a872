//! The end of an attempt: it is sent once, whoever comes first. The handler returns, is cut off or dropped; or it has the attempt
//! ended in a transaction of its own, and then that counts.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::ended::{Ended, Outcome, OwnRows};
use super::ends::Ends;
use super::known::Known;
use super::run_stage::Output;
use crate::model::artifact::in_a_line;
use crate::model::claim::Claim;
use crate::model::payload::Payload;
use crate::model::retry::RetryPolicy;
use crate::stage::artifacts::AttemptArtifacts;
use crate::stage::own_rows::{AttemptEnd, RowsAnswer};
use crate::store::own_rows::RowsTransaction;
use crate::workflow::plan::Finished;

/// The end of one attempt.
pub(super) struct Completion {
    claim: Claim,
    artifacts: AttemptArtifacts,
    state: Mutex<State>,
}

enum State {
    /// Nothing is sent yet.
    Open(Open),
    /// A transaction with rows of the stage's own is on its way.
    Committing {
        open: Open,
        /// How the handler has ended meanwhile.
        outcome: Option<Outcome>,
        /// Dropped when it has.
        handler: Option<oneshot::Sender<()>>,
    },
    /// That has landed; what the handler still does changes nothing.
    Committed {
        handler: Option<oneshot::Sender<()>>,
    },
    Sent,
}

/// What is needed to send it.
struct Open {
    known: Option<Known>,
    ends: Ends,
    begun: Option<Instant>,
}

impl Completion {
    pub(super) fn new(claim: Claim, known: Option<Known>, ends: Ends, artifacts: AttemptArtifacts) -> Completion {
        Completion { claim, artifacts, state: Mutex::new(State::Open(Open { known, ends, begun: None })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begins(&self) {
        if let State::Open(open) = &mut *self.state() {
            open.begun = Some(Instant::now());
        }
    }

    /// The handler has ended, or was dropped.
    pub(super) fn send(&self, outcome: Outcome) {
        let mut state = self.state();
        match &mut *state {
            State::Open(_) => {
                let State::Open(open) = std::mem::replace(&mut *state, State::Sent) else { return };
                drop(state);
                self.send_from(open, outcome, None);
            }
            State::Committing { outcome: first, handler, .. } => {
                first.get_or_insert(outcome);
                *handler = None;
            }
            State::Committed { handler } => {
                if let Outcome::Failed(failure) = &outcome {
                    let failure = in_a_line(&failure.to_string());
                    tracing::warn!(key = ?self.claim.key, "the stage failed after it was committed, which stands: {failure}");
                }
                *handler = None;
            }
            State::Sent => {}
        }
    }

    fn send_from(&self, open: Open, outcome: Outcome, own_rows: Option<Box<OwnRows>>) {
        let Open { known, ends, begun } = open;
        let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        let (artifacts, used_the_store) = (self.artifacts.whole(), self.artifacts.has_used_the_store());
        ends.send(Ended { claim: self.claim, known, outcome, took, artifacts, used_the_store, own_rows });
    }

    /// Nobody else sends the end while the transaction is on its way; `None` where it was sent before.
    fn hand_over(&self, transaction: RowsTransaction, output: Payload) -> Option<oneshot::Receiver<RowsAnswer>> {
        let mut state = self.state();
        let State::Open(Open { known, ends, begun }) = &*state else { return None };
        let again = || Open { known: known.clone(), ends: ends.clone(), begun: *begun };
        let (now, open) = (again(), again());
        let (answer, answered) = oneshot::channel();
        let (handler, handler_has_ended) = oneshot::channel();
        *state = State::Committing { open, outcome: None, handler: Some(handler) };
        drop(state);
        let finished = if self.claim.key.item().is_some() { Finished::Item } else { Finished::Stage };
        let outcome = Outcome::Finished(Output { payload: output, finished, skipped: None });
        self.send_from(now, outcome, Some(Box::new(OwnRows { transaction, answer, handler_has_ended })));
        Some(answered)
    }

    /// What became of the transaction is known.
    fn is_answered(&self, answer: &RowsAnswer) {
        let mut state = self.state();
        let State::Committing { open, outcome, handler } = std::mem::replace(&mut *state, State::Sent) else { return };
        match (answer, outcome) {
            (RowsAnswer::Landed, _) => *state = State::Committed { handler },
            (RowsAnswer::Over, _) => {}
            (RowsAnswer::RolledBack(_), None) => *state = State::Open(open),
            (RowsAnswer::RolledBack(_), Some(outcome)) => {
                drop(state);
                self.send_from(open, outcome, None);
            }
        }
    }
}

impl AttemptEnd for Completion {
    fn commit(self: Arc<Self>, transaction: RowsTransaction, output: Payload) -> JoinHandle<RowsAnswer> {
        let answered = self.hand_over(transaction, output);
        // On its own: the handler may be dropped at any moment.
        tokio::spawn(async move {
            let Some(answered) = answered else { return RowsAnswer::Over };
            let answer = answered.await.unwrap_or(RowsAnswer::Over);
            self.is_answered(&answer);
            answer
        })
    }

    fn policy(&self) -> RetryPolicy {
        let policy = match &*self.state() {
            State::Open(open) | State::Committing { open, .. } => {
                open.known.as_ref().and_then(|known| known.version.policy(self.claim.key.stage)).cloned()
            }
            State::Committed { .. } | State::Sent => None,
        };
        policy.unwrap_or_default()
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").field("key", &self.claim.key).finish_non_exhaustive()
    }
}
