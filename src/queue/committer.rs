//! Ends attempts in the database, in groups. A result stays in memory until it has landed (promise 9).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::known::Known;
use super::lookout::Lookout;
use super::onward::Onward;
use super::report;
use super::run_stage::Output;
use super::settle::{Ended, Outcome};
use super::slots::Slots;
use super::starter::Starter;
use super::wake::Wake;
use crate::model::claim::Claim;
use crate::model::failure::{Failure, FailureClass};
use crate::model::lane;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::retry::{History, RetryPolicy, Verdict};
use crate::model::turn::Turn;
use crate::store::backoff::Backoff;
use crate::store::commit::Landed;
use crate::store::endings::Ending;
use crate::store::{Store, StoreError};

/// Attempts that one statement ends at most.
const BATCH: usize = 500;
/// An item that took longer leaves the items behind it to other slots: to hand them on one by one would save less than
/// it makes them wait.
const SLOW: Duration = Duration::from_millis(100);

/// What has gathered while the last commit ran is the next batch; nothing lingers to make batches larger.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) store: Store,
    pub(crate) slots: Arc<Slots>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) lookout: Arc<Lookout>,
    pub(crate) starter: Starter,
    pub(crate) limits: PayloadLimits,
    /// For a job whose definition is not known here.
    pub(crate) default_policy: RetryPolicy,
    pub(crate) ends: Arc<Mutex<UnboundedReceiver<Ended>>>,
}

/// Ends that let their runs go on.
#[derive(Default)]
struct Commits {
    ends: Vec<(Claim, Ending)>,
    /// For each, what its next stage or item needs if the branch stays here.
    onward: Vec<Option<Onward>>,
}

impl Commits {
    fn push(&mut self, (claim, ending, onward): (Claim, Ending, Option<Onward>)) {
        self.ends.push((claim, ending));
        self.onward.push(onward);
    }
}

impl Committer {
    /// Runs until every sender of ends is gone and everything they sent has landed.
    pub(crate) async fn run(self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            if self.ends.lock().await.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            self.settle(&mut batch).await;
        }
    }

    async fn settle(&self, batch: &mut Vec<Ended>) {
        // Everyone who locks several jobs locks them in this order.
        batch.sort_unstable_by_key(|ended| ended.claim.key);
        let histories = self.histories(batch).await;
        self.lookout.refresh().await;
        let mut commits = Commits::default();
        for (ended, history) in batch.drain(..).zip(histories) {
            let Ended { claim, known, outcome, took } = ended;
            let slow = took > SLOW;
            match outcome {
                Outcome::Finished(output) => commits.push(self.finished(claim, known, output, slow)),
                Outcome::Failed(failure) => {
                    let policy = known.as_ref().and_then(|known| known.version.policy(claim.key.stage));
                    let policy = policy.unwrap_or(&self.default_policy);
                    let behind = lane::behind_a_failed_item(claim.spot(), slow);
                    let ending = match policy.decide(failure.class(), history, failure.wait(), rand::random()) {
                        Verdict::Retry(delay) => Ending::Retry { failure, delay, behind },
                        Verdict::GiveUp => Ending::GiveUp { failure, behind },
                    };
                    commits.push((claim, ending, None));
                }
                Outcome::HandedBack => commits.push((claim, Ending::Release, None)),
                Outcome::NeverBegan => commits.push((claim, Ending::Unclaim, None)),
            }
        }
        self.commit(commits).await;
    }

    /// What follows a finished job, and whether its branch stays with this worker.
    fn finished(
        &self,
        claim: Claim,
        known: Option<Known>,
        output: Output,
        slow: bool,
    ) -> (Claim, Ending, Option<Onward>) {
        let plan = known.as_ref().map(|known| &known.version.plan);
        let next = plan.map(|plan| plan.after(claim.spot(), output.finished, slow)).unwrap_or_default();
        let (mut turn, mut onward) = (Turn::Yields, None);
        if let (Some(spot), Some(known)) = (next.goes_on, known)
            && let Some(here) = Onward::to(spot, &claim, known)
        {
            turn = self.lookout.turn(&claim, spot.stage);
            onward = (turn == Turn::Stays).then_some(here);
        }
        (claim, Ending::Done { output: output.payload, next, turn }, onward)
    }

    /// What the failed ones among them have behind them.
    async fn histories(&self, batch: &[Ended]) -> Vec<History> {
        let failed: Vec<(usize, (Claim, FailureClass))> = batch
            .iter()
            .enumerate()
            .filter_map(|(i, ended)| match &ended.outcome {
                Outcome::Failed(failure) => Some((i, (ended.claim, failure.class()))),
                Outcome::Finished(_) | Outcome::HandedBack | Outcome::NeverBegan => None,
            })
            .collect();
        let mut histories = vec![History::default(); batch.len()];
        if failed.is_empty() {
            return histories;
        }
        let asked: Vec<(Claim, FailureClass)> = failed.iter().map(|(_, f)| *f).collect();
        let mut backoff = Backoff::default();
        loop {
            match self.store.histories(&asked).await {
                Ok(found) => {
                    for ((at, _), history) in failed.iter().zip(found) {
                        histories[*at] = history;
                    }
                    return histories;
                }
                Err(error) => wait(&mut backoff, &error, asked.len()).await,
            }
        }
    }

    async fn commit(&self, commits: Commits) {
        for ((claim, _), onward) in commits.ends.iter().zip(&commits.onward) {
            if let Some(onward) = onward {
                self.slots.announce(&claim.key, onward.key(claim));
            }
        }
        let (mut backoff, mut sent_before) = (Backoff::default(), false);
        let landed = loop {
            match self.store.commit(&commits.ends).await {
                Ok(landed) => break landed,
                Err(error @ StoreError::Away(_)) => {
                    sent_before = true;
                    wait(&mut backoff, &error, commits.ends.len()).await;
                }
                Err(refused) => return self.commit_one_by_one(commits, refused).await,
            }
        };
        let claims: Vec<Claim> = commits.ends.iter().map(|(claim, _)| *claim).collect();
        self.report_fenced(&claims, &landed.positions, sent_before).await;
        self.go_on(commits, &landed);
        if sent_before {
            // Branches whose first commit landed unheard are claimed by this boot, and nothing runs them.
            self.slots.suspect_strays();
        }
        if landed.woke || sent_before {
            self.wake.now();
        }
    }

    /// Passes slots on to what comes next in the branches that landed and stay, and frees the others.
    fn go_on(&self, commits: Commits, landed: &Landed) {
        let mut has_landed = vec![false; commits.ends.len()];
        landed.positions.iter().for_each(|at| has_landed[*at] = true);
        for (((claim, ending), onward), landed_here) in commits.ends.into_iter().zip(commits.onward).zip(has_landed) {
            let at = landed_here.then_some(landed.at).flatten();
            match (at, onward, ending) {
                (Some(at), Some(onward), Ending::Done { output, .. }) => self.pass_on(&claim, onward, &output, at),
                (Some(_), _, Ending::Retry { failure, delay, .. }) => {
                    report::retried(&self.slots, &claim, &failure, delay);
                    self.wake.within(delay);
                    self.slots.release(&claim.key);
                }
                (Some(_), _, Ending::GiveUp { failure, .. }) => {
                    report::given_up(&self.slots, &claim, &failure);
                    self.slots.release(&claim.key);
                }
                _ => self.slots.release(&claim.key),
            }
        }
    }

    /// The next stage or item starts in the slot of the one before it.
    fn pass_on(&self, done: &Claim, onward: Onward, output: &Payload, at: DateTime<Utc>) {
        let claim = onward.claim(done, at);
        let hold = self.slots.pass_on(&done.key, claim);
        let prepared = onward.prepare(&self.limits, claim, done, output);
        if self.starter.start(prepared, hold).is_err() {
            tracing::error!(key = ?claim.key, "the apalis worker is gone; recovery will free this claim");
        }
    }

    /// Postgres refused the batch for what one of them holds: the others must not suffer, and that one must not loop.
    async fn commit_one_by_one(&self, commits: Commits, refused: StoreError) {
        if let [(claim, ending)] = commits.ends.as_slice() {
            report::refused(&self.slots, claim, &refused);
            return match ending {
                Ending::Done { .. } => {
                    let failure = Failure::unknown(format!("the database refused the stage's result: {refused}"));
                    let behind = lane::behind_a_failed_item(claim.spot(), true);
                    let dead = (*claim, Ending::GiveUp { failure, behind });
                    Box::pin(self.commit(Commits { ends: vec![dead], onward: vec![None] })).await;
                }
                // Recovery frees the claim when this boot ends; nothing else can be written about it.
                Ending::Retry { .. } | Ending::GiveUp { .. } | Ending::Release | Ending::Unclaim => {
                    self.slots.release(&claim.key);
                }
            };
        }
        for (end, onward) in commits.ends.into_iter().zip(commits.onward) {
            Box::pin(self.commit(Commits { ends: vec![end], onward: vec![onward] })).await;
        }
    }

    /// What did not land was fenced: someone else owns the job now, or its run ended. After a lost answer it may have
    /// landed the first time instead.
    async fn report_fenced(&self, claims: &[Claim], landed: &[usize], sent_before: bool) {
        if landed.len() == claims.len() {
            return;
        }
        let mut missing: Vec<Claim> =
            claims.iter().enumerate().filter(|(i, _)| !landed.contains(i)).map(|(_, claim)| *claim).collect();
        if sent_before && let Ok(early) = self.store.already_landed(&missing).await {
            missing = missing.iter().enumerate().filter(|(i, _)| !early.contains(i)).map(|(_, c)| *c).collect();
        }
        for claim in missing {
            report::fenced(&self.slots, &claim);
        }
    }
}

async fn wait(backoff: &mut Backoff, error: &StoreError, results: usize) {
    if backoff.is_first() {
        tracing::warn!(results, "results wait in memory: {error}");
    }
    backoff.wait().await;
}
