//! Ends that are counted together with others of their run before it is known what they become: items of a fan-out that is content with
//! a part of them. Each is committed in a transaction that holds the run.

use std::sync::Arc;

use super::commits::Commits;
use super::committer::{Committer, wait};
use super::hand_off::HandOff;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::model::lane;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::counted::{By, Counted, Settled};
use crate::store::doubt::Doubt;
use crate::store::endings::Ending;
use crate::workflow::quorum::Rest;

/// Such ends, each with what it is counted by.
#[derive(Default)]
pub(super) struct CountedEnds {
    commits: Commits,
    counted: Vec<Counted>,
    /// For each that may end a run which a stage waits for, the run of that stage.
    parents: Vec<Option<RunKey>>,
}

impl CountedEnds {
    pub(super) fn push(
        &mut self,
        version: Option<Arc<Version>>,
        end: (Claim, Ending, Option<HandOff>),
        artifacts: Option<i32>,
        counted: Counted,
        parent: Option<RunKey>,
    ) {
        self.parents.push(parent);
        self.commits.push(version, end, artifacts);
        self.counted.push(counted);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// Each by itself.
    fn apart(self) -> impl Iterator<Item = CountedEnds> {
        let Commits { ends, hand_off, versions, artifacts, parents: _ } = self.commits;
        let parts = ends.into_iter().zip(hand_off).zip(versions).zip(artifacts).zip(self.counted).zip(self.parents);
        parts.map(|((((((claim, ending), hand_off), version), artifacts), counted), parent)| {
            let mut one = CountedEnds::default();
            one.push(version, (claim, ending, hand_off), artifacts, counted, parent);
            one
        })
    }
}

/// What the end is counted by; `None` for most, which are ends by themselves.
pub(super) fn counted(
    version: Option<&Version>,
    (claim, ending, _): &(Claim, Ending, Option<HandOff>),
    slow: bool,
) -> Option<Counted> {
    let version = version?;
    let stage = version.stage(claim.key.stage)?;
    let quorum = stage.quorum.as_ref().filter(|_| claim.key.item().is_some())?;
    let by = By { at_least: quorum.at_least, cancels: quorum.rest == Rest::Cancel, missing: quorum.missing.clone() };
    match ending {
        Ending::Tolerated { failure, .. } => {
            let behind = lane::behind_a_failed_item(claim.spot(), slow);
            let given_up = || Ending::GiveUp { failure: failure.clone(), behind };
            Some(Counted { by, otherwise: (!version.tolerates(claim.key.stage)).then(given_up) })
        }
        Ending::Done { .. } | Ending::Skipped { .. } if by.cancels => Some(Counted { by, otherwise: None }),
        Ending::Done { .. }
        | Ending::Skipped { .. }
        | Ending::Retry { .. }
        | Ending::GiveUp { .. }
        | Ending::Release { .. }
        | Ending::Unclaim => None,
    }
}

impl Committer {
    /// Commits them, each for what the count makes of it.
    pub(super) async fn settle_counted(self, mut ends: CountedEnds) {
        self.announce(&ends.commits);
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let parts = ends.counted.len();
        let parents: Vec<RunKey> = ends.parents.iter().flatten().copied().collect();
        let settled = loop {
            let Commits { ends: batch, artifacts, .. } = &ends.commits;
            match self.store.commit_counted(batch, &ends.counted, artifacts, &parents).await {
                Ok(settled) => break settled,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, parts, &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, parts).await;
                }
                Err(_) if parts > 1 => return self.settle_one_by_one(ends),
                Err(refused) => {
                    ends.commits.parents = parents;
                    self.commit_one_by_one(ends.commits, refused.for_good()).await;
                    return self.waiting.decrement(1.0);
                }
            }
        };
        for (at, ending) in settled.otherwise.iter().cloned() {
            ends.commits.put_instead(at, ending);
        }
        self.report(&ends.commits, &settled.landed, sent_before).await;
        self.stop_others(&ends.commits, &settled);
        self.go_on(ends.commits, &settled.landed, sent_before);
        self.waiting.decrement(parts as f64);
    }

    fn settle_one_by_one(&self, ends: CountedEnds) {
        ends.apart().for_each(|one| drop(tokio::spawn(self.clone().settle_counted(one))));
    }

    /// What was cancelled because enough is done stops here at once, and on other workers when they ask after their claims.
    pub(super) fn stop_others(&self, commits: &Commits, settled: &Settled) {
        for stopped in &settled.stopped {
            self.slots.cancel_stage(stopped.run, stopped.stage);
            let of = commits.ends.iter().position(|(claim, _)| claim.key.run == stopped.run);
            let version = of.and_then(|at| commits.version(at));
            if let Some(meters) = version.and_then(|version| version.meters.stage(stopped.stage)) {
                meters.skipped(stopped.jobs);
            }
        }
    }
}
