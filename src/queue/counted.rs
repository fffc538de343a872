//! Ends that are counted together with others of their run before it is known what they become: items of a fan-out that is content with
//! a part of them, and stages that race.

use std::sync::Arc;

use super::commits::Commits;
use super::hand_off::HandOff;
use super::run_stage;
use super::skips::ANOTHER_WAS_FIRST;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::model::lane;
use crate::model::turn::Turn;
use crate::store::counts::{self, By, Counted, CountedBatch, Race};
use crate::store::endings::Ending;
use crate::workflow::plan::Finished;
use crate::workflow::quorum::{Quorum, Rest};

/// Such ends, each with what it is counted by.
#[derive(Default)]
pub(super) struct CountedEnds {
    pub(super) commits: Commits,
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
        self.commits.parents.extend(parent);
        self.commits.push(version, end, artifacts);
        self.counted.push(counted);
    }

    pub(super) fn len(&self) -> usize {
        self.counted.len()
    }

    pub(super) fn batch(&self) -> CountedBatch<'_> {
        let Commits { ends, artifacts, parents, .. } = &self.commits;
        CountedBatch { ends, counted: &self.counted, artifacts, parents }
    }

    /// Each by itself.
    pub(super) fn apart(self) -> impl Iterator<Item = CountedEnds> {
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
    if let Some(race) = version.plan.race_of(claim.key.stage) {
        return racing(version, race, claim, ending, slow);
    }
    let Quorum { at_least, missing, rest } = stage.quorum.as_ref().filter(|_| claim.key.item().is_some())?;
    let cancels = *rest == Rest::Cancel;
    let by = By::Quorum(counts::Quorum { at_least: *at_least, cancels, missing: missing.clone() });
    match ending {
        Ending::Tolerated { failure, .. } => {
            let behind = lane::behind_a_failed_item(claim.spot(), slow);
            let given_up = || Ending::GiveUp { failure: failure.clone(), behind };
            Some(Counted { by, otherwise: (!version.tolerates(claim.key.stage)).then(given_up) })
        }
        Ending::Done { .. } | Ending::Skipped { .. } if cancels => Some(Counted { by, otherwise: None }),
        Ending::Done { .. }
        | Ending::Skipped { .. }
        | Ending::Retry { .. }
        | Ending::GiveUp { .. }
        | Ending::Release { .. }
        | Ending::Unclaim => None,
    }
}

/// What the end of a stage is counted by that races for another one.
fn racing(version: &Version, race: i16, claim: &Claim, ending: &Ending, slow: bool) -> Option<Counted> {
    let began = version.stage(race)?;
    let needs = began.needs.iter().map(|need| need.0 as i16).collect();
    let by = By::Race(Race { stage: race, first: began.first?, needs });
    let otherwise = match ending {
        Ending::Done { .. } => {
            let output = run_stage::skipped(ANOTHER_WAS_FIRST.into(), Finished::Stage).ok()?;
            let next = version.plan.after_a_skip(claim.spot(), output.finished, slow);
            let (instead, reason) = (output.payload, ANOTHER_WAS_FIRST.into());
            Some(Ending::Skipped { instead, reason, next, turn: Turn::Yields })
        }
        Ending::Tolerated { failure, .. } if !version.tolerates(claim.key.stage) => {
            Some(Ending::GiveUp { failure: failure.clone(), behind: None })
        }
        Ending::Tolerated { .. } | Ending::Skipped { .. } => None,
        Ending::Retry { .. } | Ending::GiveUp { .. } | Ending::Release { .. } | Ending::Unclaim => return None,
    };
    Some(Counted { by, otherwise })
}
