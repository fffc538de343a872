//! Ends attempts in the database, in groups. A result stays in memory until it is committed (promise 9).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use metrics::Gauge;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::commits::{Commits, first_that_fit};
use super::count;
use super::counted::{self, CountedEnds};
use super::ended::{Ended, Outcome};
use super::hand_off::HandOff;
use super::inputs::Came;
use super::known::Known;
use super::monitor::Monitor;
use super::report;
use super::run_stage::{self, Output, finished_by};
use super::skips;
use super::slots::Slots;
use super::starter::Starter;
use super::version::Version;
use super::wake::Wake;
use crate::meters::batches::BatchMeters;
use crate::meters::part::Part;
use crate::model::claim::Claim;
use crate::model::failure::{Failure, FailureClass};
use crate::model::lane::{self, Spot};
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::resource::{self, Resource};
use crate::model::retry::{History, RetryPolicy, Verdict};
use crate::model::turn::Turn;
use crate::store::backoff::Backoff;
use crate::store::commit::{Fate, Landed};
use crate::store::doubt::Doubt;
use crate::store::endings::Ending;
use crate::store::{Store, StoreError};
use crate::system::descriptors;
use crate::workflow::definition::StageKind;
use crate::workflow::plan::Plan;

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
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) starter: Starter,
    pub(crate) limits: PayloadLimits,
    /// For a job whose definition is not known here.
    pub(crate) default_policy: RetryPolicy,
    pub(crate) ends: Arc<Mutex<UnboundedReceiver<Ended>>>,
    pub(crate) meters: BatchMeters,
    /// Ends that were sent and have not landed.
    pub(crate) waiting: Gauge,
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
            self.set_out_own_rows(&mut batch);
            self.set_out_waits(&mut batch);
            self.set_out_rounds(&mut batch);
            while !batch.is_empty() {
                let fit = first_that_fit(batch.iter().map(Ended::bytes));
                if fit == batch.len() {
                    self.settle(&mut batch).await;
                } else {
                    self.settle(&mut batch.drain(..fit).collect()).await;
                }
            }
        }
    }

    pub(super) async fn settle(&self, batch: &mut Vec<Ended>) {
        // Everyone who locks several jobs locks them in this order.
        batch.sort_unstable_by_key(|ended| ended.claim.key);
        let histories = self.histories(batch).await;
        self.monitor.refresh().await;
        let (mut commits, mut of_children) = (Commits::default(), Commits::default());
        let mut counted = CountedEnds::default();
        for (ended, history) in batch.drain(..).zip(histories) {
            let Ended { claim, known, outcome, took, artifacts, used_the_store, own_rows: _ } = ended;
            let version = known.as_ref().map(|known| known.version.clone());
            let parent = known.as_ref().and_then(|known| known.run.parent);
            count::ran(version.as_deref(), &claim, &outcome, took);
            if let Some(version) = &version {
                let is_done = matches!(outcome, Outcome::Finished(_));
                version.note_store_use(claim.key.stage, used_the_store, is_done);
            }
            let end = match outcome {
                Outcome::Finished(output) => self.finished(claim, known, output, took),
                Outcome::Failed(failure) if self.goes_back(&failure, &claim, version.as_deref()) => {
                    let why = format!("its worker lacked something: {}", failure.message());
                    (claim, Ending::Release { why, has_waited: true }, None)
                }
                Outcome::Failed(failure) => self.failed(claim, known, failure, history, took),
                Outcome::HandedBack => {
                    let why = "its worker stopped before it had ended".to_owned();
                    (claim, Ending::Release { why, has_waited: false }, None)
                }
                // Those that wait or end a round were set out before.
                Outcome::NeverBegan | Outcome::Waits(_) | Outcome::Again(_) => (claim, Ending::Unclaim, None),
            };
            let parent = parent.filter(|_| end.1.may_end_its_run());
            match (counted::counted(version.as_deref(), &end, took > SLOW), parent) {
                (Some(by), parent) => counted.push(version, end, artifacts, by, parent),
                (None, Some(parent)) => {
                    of_children.push(version, end, artifacts);
                    of_children.parents.push(parent);
                }
                (None, None) => commits.push(version, end, artifacts),
            }
        }
        if counted.len() > 0 {
            tokio::spawn(self.clone().settle_counted(counted));
        }
        if !of_children.ends.is_empty() {
            // They wait for whoever decides about their parents just now; nobody else does.
            let committer = self.clone();
            tokio::spawn(async move { committer.land_all(of_children).await });
        }
        if !commits.ends.is_empty() {
            self.land_all(commits).await;
        }
    }

    async fn land_all(&self, commits: Commits) {
        let ends = commits.ends.len();
        self.commit(commits).await;
        self.waiting.decrement(ends as f64);
    }

    /// Whether it is tried again, and what follows where it is not.
    fn failed(
        &self,
        claim: Claim,
        known: Option<Known>,
        failure: Failure,
        history: History,
        took: Duration,
    ) -> (Claim, Ending, Option<HandOff>) {
        let version = known.as_ref().map(|known| known.version.clone());
        let policy = version.as_ref().and_then(|version| version.policy(claim.key.stage));
        let policy = policy.unwrap_or(&self.default_policy);
        let behind = lane::behind_a_failed_item(claim.spot(), took > SLOW);
        let verdict = policy.decide(failure.class(), history, failure.wait(), rand::random());
        if let Verdict::Retry(delay) = verdict {
            return (claim, Ending::Retry { failure, delay, behind }, None);
        }
        let tolerated = version.and_then(|version| tolerated(&claim, &version, &failure));
        match tolerated.map(|output| self.finished(claim, known, output, took)) {
            Some((claim, Ending::Skipped { instead, reason, next, turn }, hand_off)) => {
                (claim, Ending::Tolerated { failure, instead, reason, next, turn }, hand_off)
            }
            Some(_) | None => (claim, Ending::GiveUp { failure, behind }, None),
        }
    }

    /// What its worker lacked is no failure of a job, which goes back; but for one that ran alone and found no descriptor left:
    /// that has used them up itself.
    fn goes_back(&self, failure: &Failure, claim: &Claim, version: Option<&Version>) -> bool {
        let stage = version.and_then(|version| version.stage(claim.key.stage));
        // What a program or a server says may be about itself, and so may be what a handler repeats of one.
        let is_handler = stage.is_some_and(|stage| matches!(stage.kind, StageKind::Rust { .. }));
        let in_words = resource::named(failure.message()).filter(|_| is_handler && descriptors::are_short());
        let Some(resource) = failure.lacks().or(in_words) else { return false };
        if resource == Resource::WarmProgram {
            // The stage rests here, and nothing else does.
            return true;
        }
        if let Some(version) = version {
            version.note_went_back(claim.key.stage, resource);
        }
        self.starter.resources.found_lacking(resource, failure.message());
        match resource {
            Resource::Descriptors => {
                self.slots.give_up_some(Instant::now());
                self.slots.usage().busy > 1
            }
            Resource::Processes => {
                self.slots.give_up_some(Instant::now());
                true
            }
            Resource::SystemDescriptors
            | Resource::TemporaryFolder
            | Resource::ArtifactStore
            | Resource::WarmProgram => true,
        }
    }

    /// What follows a finished job, and whether its branch stays with this worker.
    pub(super) fn finished(
        &self,
        claim: Claim,
        known: Option<Known>,
        output: Output,
        took: Duration,
    ) -> (Claim, Ending, Option<HandOff>) {
        let plan = known.as_ref().map(|known| &known.version.plan);
        let follows = |plan: &Plan| match output.skipped {
            None => plan.after(claim.spot(), output.finished, took > SLOW),
            Some(_) => plan.after_a_skip(claim.spot(), output.finished, took > SLOW),
        };
        let next = plan.map(follows).unwrap_or_default();
        let (mut turn, mut hand_off) = (Turn::Yields, None);
        // Whoever races is claimed, and so asks first whether others have won.
        let is_claimed = |spot: Spot| plan.is_some_and(|plan| plan.race_of(spot.stage).is_some());
        let goes_on = next.goes_on.filter(|spot| !is_claimed(*spot));
        if let (Some(spot), Some(known)) = (goes_on, known)
            && let Some(here) = HandOff::to(spot, &claim, known, output.payload.as_str().len(), &self.starter.room)
        {
            turn = self.monitor.turn(&claim, spot.stage);
            hand_off = (turn == Turn::Stays).then_some(here);
        }
        let ending = match output.skipped {
            None => Ending::Done { output: output.payload, next, turn },
            Some(reason) => Ending::Skipped { instead: output.payload, reason, next, turn },
        };
        (claim, ending, hand_off)
    }

    /// What the failed ones among them have behind them.
    async fn histories(&self, batch: &[Ended]) -> Vec<History> {
        let failed: Vec<(usize, (Claim, FailureClass))> = batch
            .iter()
            .enumerate()
            .filter_map(|(i, ended)| match &ended.outcome {
                Outcome::Failed(failure) => Some((i, (ended.claim, failure.class()))),
                Outcome::Finished(_)
                | Outcome::Waits(_)
                | Outcome::Again(_)
                | Outcome::HandedBack
                | Outcome::NeverBegan => None,
            })
            .collect();
        let mut histories = vec![History::default(); batch.len()];
        if failed.is_empty() {
            return histories;
        }
        let asked: Vec<(Claim, FailureClass)> = failed.iter().map(|(_, f)| *f).collect();
        let (mut backoff, mut doubt) = (Backoff::default(), Doubt::default());
        loop {
            match self.store.histories(&asked).await {
                Ok(found) => {
                    for ((at, _), history) in failed.iter().zip(found) {
                        histories[*at] = history;
                    }
                    return histories;
                }
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, 1, &self.store).await => {
                    wait(&mut backoff, &error, asked.len()).await;
                }
                Err(refused) => {
                    // Something about one of them: the others wait for nothing that could come.
                    tracing::warn!("failures are taken for the first of their jobs: {refused}");
                    return histories;
                }
            }
        }
    }

    pub(super) async fn commit(&self, commits: Commits) {
        self.announce(&commits);
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let landed = loop {
            let begun = Instant::now();
            let landed = match commits.parents.as_slice() {
                [] => self.store.commit(&commits.ends, &commits.artifacts).await,
                parents => self.store.commit_children(&commits.ends, &commits.artifacts, parents).await,
            };
            match landed {
                Ok(landed) => {
                    self.meters.answered(begun.elapsed(), commits.ends.len());
                    break landed;
                }
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, commits.ends.len(), &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, commits.ends.len()).await;
                }
                Err(refused) => return self.commit_one_by_one(commits, refused.for_good()).await,
            }
        };
        self.report(&commits, &landed, sent_before).await;
        self.go_on(commits, &landed, sent_before);
    }

    /// What the commit makes of branches that stay, if it lands.
    pub(super) fn announce(&self, commits: &Commits) {
        for ((claim, _), hand_off) in commits.ends.iter().zip(&commits.hand_off) {
            if let Some(hand_off) = hand_off {
                self.slots.announce(&claim.key, hand_off.key(claim));
            }
        }
    }

    /// Counts and logs what landed, and what did not. Returns whether some of the latter had landed before.
    pub(super) async fn report(&self, commits: &Commits, landed: &Landed, sent_before: bool) -> bool {
        count::landed(commits, landed);
        report::landed(&self.slots, commits, landed);
        self.report_missed(commits, &landed.positions, sent_before).await
    }

    /// What comes next in the branches that landed, and whoever waits for that.
    pub(super) fn go_on(&self, commits: Commits, landed: &Landed, sent_before: bool) {
        let frees_a_limit = self.monitor.any_is_limited(commits.ends.iter().map(|(claim, _)| claim));
        self.free_slots(commits, landed);
        if !landed.ended_runs.is_empty() {
            self.monitor.feeding.runs_ended();
            self.monitor.catalog.run_ended.notify_waiters();
        }
        if sent_before {
            // Branches whose first commit landed unheard are claimed by this boot, and nothing runs them.
            self.slots.suspect_strays();
        }
        if landed.woke || sent_before || frees_a_limit {
            self.wake.now();
        }
    }

    /// Passes slots on to what comes next in the branches that landed and stay, and frees the others.
    fn free_slots(&self, commits: Commits, landed: &Landed) {
        let mut has_landed = vec![false; commits.ends.len()];
        landed.positions.iter().for_each(|at| has_landed[*at] = true);
        for (((claim, ending), hand_off), landed_here) in commits.ends.into_iter().zip(commits.hand_off).zip(has_landed)
        {
            let at = landed_here.then_some(landed.at).flatten();
            match (at, hand_off, ending) {
                (Some(at), Some(hand_off), Ending::Done { output, .. }) => {
                    self.pass_on(&claim, hand_off, Came::Output(&output), at);
                }
                (Some(at), Some(hand_off), Ending::Skipped { reason, .. } | Ending::Tolerated { reason, .. }) => {
                    self.pass_on(&claim, hand_off, Came::Skip(&reason), at);
                }
                (Some(_), _, Ending::Retry { delay, .. }) => {
                    self.wake.within(delay);
                    self.slots.release(&claim.key);
                }
                _ => self.slots.release(&claim.key),
            }
        }
    }

    /// The next stage or item starts in the slot of the one before it.
    fn pass_on(&self, done: &Claim, hand_off: HandOff, came: Came<'_>, at: DateTime<Utc>) {
        let claim = hand_off.claim(done, at);
        let hold = self.slots.pass_on(&done.key, claim);
        let prepared = hand_off.prepare(&self.limits, claim, done, came);
        if self.starter.start(prepared, hold).is_err() {
            tracing::error!(key = ?claim.key, "the apalis worker is gone; recovery will free this claim");
        }
    }

    /// Postgres refused the batch for what one of them holds: the others must not suffer, and that one must not loop.
    pub(super) async fn commit_one_by_one(&self, commits: Commits, refused: StoreError) {
        if let [(claim, ending)] = commits.ends.as_slice() {
            report::refused(&self.slots, &commits, &refused);
            match instead(claim, ending, &refused) {
                Some(other) => {
                    let ends = vec![(*claim, other)];
                    Box::pin(self.commit(Commits { ends, hand_off: vec![None], ..commits })).await;
                }
                // Recovery frees the claim when this boot ends; nothing else can be written about it.
                None => self.slots.release(&claim.key),
            }
            return;
        }
        let Commits { ends, hand_off, versions, artifacts, parents } = commits;
        let mut parents = parents.into_iter();
        for ((((claim, ending), hand_off), version), artifacts) in
            ends.into_iter().zip(hand_off).zip(versions).zip(artifacts)
        {
            let mut one = Commits { parents: parents.next().into_iter().collect(), ..Commits::default() };
            one.push(version, (claim, ending, hand_off), artifacts);
            Box::pin(self.commit(one)).await;
        }
    }

    /// What did not land was fenced: someone else owns the job now, or its run ended. After a lost answer it may have
    /// landed the first time instead.
    async fn report_missed(&self, commits: &Commits, landed: &[usize], sent_before: bool) -> bool {
        if landed.len() == commits.ends.len() {
            return false;
        }
        let missed: Vec<usize> = (0..commits.ends.len()).filter(|at| !landed.contains(at)).collect();
        let claims: Vec<Claim> = missed.iter().map(|at| commits.ends[*at].0).collect();
        self.orphan_artifacts(commits, &missed).await;
        // Where nobody answers, it is told as fenced, as it mostly is.
        let mut fates: HashMap<usize, Fate> = self.store.fates(&claims).await.unwrap_or_default().into_iter().collect();
        let mut had_landed = false;
        for (position, at) in missed.into_iter().enumerate() {
            let fate = match fates.remove(&position) {
                // Nobody sent it before: what is on record is somebody's decision to give the job up.
                Some(Fate::Landed { .. }) if !sent_before => Some(Fate::Cancelled),
                fate => fate,
            };
            if fate.is_none() {
                // Where the database went back in time, it may count a claim to this boot that is over here.
                self.slots.suspect_strays();
                self.wake.now();
            }
            had_landed |= matches!(fate, Some(Fate::Landed { .. }));
            count::missed(commits, at, fate);
            report::missed(&self.slots, commits, at, fate);
        }
        had_landed
    }

    /// Where nobody answers, the next look at what is pending finds them.
    async fn orphan_artifacts(&self, commits: &Commits, missed: &[usize]) {
        let with_some = missed.iter().filter(|at| commits.artifacts[**at].is_some());
        let claims: Vec<Claim> = with_some.map(|at| commits.ends[*at].0).collect();
        if !claims.is_empty()
            && let Err(error) = self.store.orphan_artifacts(&claims).await
        {
            tracing::debug!("artifacts of attempts that were fenced are settled later: {error}");
        }
    }
}

/// What stands in place of the output of a stage that is given up and that its run goes on without, or of an item that others may do
/// without. Evidence of damage is never passed over (promise 8).
fn tolerated(claim: &Claim, version: &Version, failure: &Failure) -> Option<Output> {
    let stage = version.stage(claim.key.stage)?;
    let quorum = stage.quorum.as_ref().filter(|_| claim.key.item().is_some());
    let races = version.plan.race_of(claim.key.stage).is_some();
    let is_passed = version.tolerates(claim.key.stage) || quorum.is_some() || races;
    if failure.class() == FailureClass::CorruptCheckpoint || !is_passed {
        return None;
    }
    let reason = format!("it was given up: {}: {}", failure.class(), failure.message());
    let finished = finished_by(claim, stage.for_each.is_some());
    let mut output = run_stage::skipped(skips::shortened(&reason).into(), finished).ok()?;
    if let Some(missing) = quorum.and_then(|quorum| quorum.missing.as_deref()) {
        output.payload = Payload::parse(missing, usize::MAX).ok()?;
    }
    Some(output)
}

/// How an attempt ends whose end was refused: a result becomes a failure, and the text of a failure another one, so that the
/// job does not stay `running`. `None` where nothing is left that could be to blame.
fn instead(claim: &Claim, ending: &Ending, refused: &StoreError) -> Option<Ending> {
    match ending {
        Ending::Done { .. } | Ending::Skipped { .. } => {
            let failure = Failure::unknown(format!("the database refused the stage's result: {refused}"));
            Some(Ending::GiveUp { failure, behind: lane::behind_a_failed_item(claim.spot(), true) })
        }
        Ending::Retry { failure, delay, behind } => {
            let (delay, behind) = (*delay, *behind);
            failure.without_its_text().map(|failure| Ending::Retry { failure, delay, behind })
        }
        Ending::Tolerated { failure, .. } => {
            let behind = lane::behind_a_failed_item(claim.spot(), true);
            let failure = failure.without_its_text().unwrap_or_else(|| failure.clone());
            Some(Ending::GiveUp { failure, behind })
        }
        Ending::GiveUp { failure, behind } => {
            failure.without_its_text().map(|failure| Ending::GiveUp { failure, behind: *behind })
        }
        Ending::Release { .. } | Ending::Unclaim => None,
    }
}

/// For the database, before results are sent again.
pub(super) async fn wait(backoff: &mut Backoff, error: &StoreError, results: usize) {
    Part::Commit.had_no_answer();
    if backoff.is_first() {
        tracing::warn!(results, "results wait in memory: {error}");
    }
    backoff.wait().await;
}
