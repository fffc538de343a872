//! Ends attempts in the database, in groups. A result stays in memory until it has landed (promise 9).

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::backoff::Backoff;
use super::claimer::Wake;
use super::settle::{Ended, Outcome};
use super::slots::Slots;
use crate::model::claim::Claim;
use crate::model::failure::{Failure, FailureClass};
use crate::model::retry::{self, History, Verdict};
use crate::store::commit::Ending;
use crate::store::{Store, StoreError};

/// Attempts that one statement ends at most.
const BATCH: usize = 500;

/// What has gathered while the last commit ran is the next batch; nothing lingers to make batches larger.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    pub(crate) store: Store,
    pub(crate) slots: Arc<Slots>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) ends: Arc<Mutex<UnboundedReceiver<Ended>>>,
}

/// An end that is decided: a commit that lets the run go on, or the end of it.
enum Decided {
    GoesOn(Ending),
    GivenUp(Failure),
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
        batch.sort_by_key(|ended| ended.claim.key);
        let histories = self.histories(batch).await;
        let (mut commits, mut give_ups) = (Vec::new(), Vec::new());
        for (ended, history) in batch.drain(..).zip(histories) {
            let claim = ended.claim;
            match decide(ended, history, rand::random()) {
                Decided::GoesOn(ending) => commits.push((claim, ending)),
                Decided::GivenUp(failure) => give_ups.push((claim, failure)),
            }
        }
        if !commits.is_empty() {
            self.commit(commits).await;
        }
        if !give_ups.is_empty() {
            self.give_up(give_ups).await;
        }
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

    async fn commit(&self, commits: Vec<(Claim, Ending)>) {
        let (mut backoff, mut sent_before) = (Backoff::default(), false);
        let landed = loop {
            match self.store.commit(&commits).await {
                Ok(landed) => break landed,
                Err(StoreError::Away(error)) => {
                    sent_before = true;
                    wait(&mut backoff, &StoreError::Away(error), commits.len()).await;
                }
                Err(refused) => return self.commit_one_by_one(commits, refused).await,
            }
        };
        backoff.reset();
        if landed.woke {
            self.wake.now();
        }
        let claims: Vec<Claim> = commits.iter().map(|(claim, _)| *claim).collect();
        self.report_fenced(&claims, landed.positions, sent_before).await;
        for (claim, ending) in &commits {
            if let Ending::Retry { failure, delay } = ending {
                let attempt = Named::of(&self.slots, claim);
                tracing::warn!(run = attempt.run, stage = attempt.stage, item = claim.key.item(),
                               attempt = claim.key.attempt, worker = attempt.worker, class = %failure.class(),
                               wait_s = delay.as_secs_f64(), "attempt failed, due again: {}", failure.message());
                self.wake.within(*delay);
            }
            self.slots.release(&claim.key);
        }
    }

    /// Postgres refused the batch for what one of them holds: the others must not suffer, and that one must not loop.
    async fn commit_one_by_one(&self, commits: Vec<(Claim, Ending)>, refused: StoreError) {
        if let [(claim, ending)] = commits.as_slice() {
            let attempt = Named::of(&self.slots, claim);
            tracing::error!(
                run = attempt.run,
                stage = attempt.stage,
                attempt = claim.key.attempt,
                worker = attempt.worker,
                "the database refused the end of an attempt: {refused}"
            );
            return match ending {
                Ending::Done { .. } => {
                    let failure = Failure::unknown(format!("the database refused the stage's result: {refused}"));
                    Box::pin(self.give_up(vec![(*claim, failure)])).await;
                }
                // Recovery frees the claim when this boot ends; nothing else can be written about it.
                Ending::Retry { .. } | Ending::Release | Ending::Unclaim => self.slots.release(&claim.key),
            };
        }
        for single in commits {
            Box::pin(self.commit(vec![single])).await;
        }
    }

    async fn give_up(&self, give_ups: Vec<(Claim, Failure)>) {
        let (mut backoff, mut sent_before) = (Backoff::default(), false);
        let landed = loop {
            match self.store.give_up(&give_ups).await {
                Ok(landed) => break landed,
                Err(error @ StoreError::Away(_)) => {
                    sent_before = true;
                    wait(&mut backoff, &error, give_ups.len()).await;
                }
                Err(refused) => {
                    tracing::error!("the database refused to end {} jobs: {refused}", give_ups.len());
                    break Vec::new();
                }
            }
        };
        for position in &landed {
            if let Some((claim, failure)) = give_ups.get(*position) {
                let attempt = Named::of(&self.slots, claim);
                tracing::error!(run = attempt.run, stage = attempt.stage, item = claim.key.item(),
                                attempt = claim.key.attempt, worker = attempt.worker, class = %failure.class(),
                                "job given up, its run failed: {}", failure.message());
            }
        }
        let claims: Vec<Claim> = give_ups.iter().map(|(claim, _)| *claim).collect();
        self.report_fenced(&claims, landed, sent_before).await;
        for claim in claims {
            self.slots.release(&claim.key);
        }
    }

    /// What did not land was fenced: someone else owns the job now, or its run ended. After a lost answer it may have
    /// landed the first time instead.
    async fn report_fenced(&self, claims: &[Claim], landed: Vec<usize>, sent_before: bool) {
        if landed.len() == claims.len() {
            return;
        }
        let mut missing: Vec<Claim> =
            claims.iter().enumerate().filter(|(i, _)| !landed.contains(i)).map(|(_, claim)| *claim).collect();
        if sent_before && let Ok(early) = self.store.already_landed(&missing).await {
            missing = missing.iter().enumerate().filter(|(i, _)| !early.contains(i)).map(|(_, c)| *c).collect();
            self.wake.now();
        }
        for claim in missing {
            let attempt = Named::of(&self.slots, &claim);
            tracing::warn!(
                run = attempt.run,
                stage = attempt.stage,
                item = claim.key.item(),
                attempt = claim.key.attempt,
                worker = attempt.worker,
                "the claim no longer held; this attempt changed nothing"
            );
        }
    }
}

/// An attempt as logs name it.
struct Named {
    run: String,
    stage: String,
    worker: String,
}

impl Named {
    fn of(slots: &Slots, claim: &Claim) -> Named {
        match slots.about(&claim.key) {
            Some(about) => {
                Named { run: about.run.to_string(), stage: about.stage.clone(), worker: about.worker.clone() }
            }
            None => Named {
                run: format!("#{}", claim.key.run),
                stage: format!("#{}", claim.key.stage),
                worker: format!("#{}", claim.worker),
            },
        }
    }
}

/// Decides how an attempt ends. Pure but for its arguments.
fn decide(ended: Ended, history: History, dice: f64) -> Decided {
    match ended.outcome {
        Outcome::Finished(output) => {
            let next = ended.version.map(|v| v.plan.after(ended.claim.key.stage, output.finished)).unwrap_or_default();
            Decided::GoesOn(Ending::Done { output: output.payload, next })
        }
        Outcome::Failed(failure) => match retry::decide(failure.class(), history, failure.wait(), dice) {
            Verdict::Retry(delay) => Decided::GoesOn(Ending::Retry { failure, delay }),
            Verdict::GiveUp => Decided::GivenUp(failure),
        },
        Outcome::HandedBack => Decided::GoesOn(Ending::Release),
        Outcome::NeverBegan => Decided::GoesOn(Ending::Unclaim),
    }
}

async fn wait(backoff: &mut Backoff, error: &StoreError, results: usize) {
    if backoff.is_first() {
        tracing::warn!(results, "results wait in memory: {error}");
    }
    backoff.wait().await;
}
