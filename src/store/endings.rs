//! How attempts end, as the columns of their commit.

use std::time::Duration;

use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::fingerprint::fingerprint;
use crate::model::lane::{Births, Spot};
use crate::model::payload::Payload;
use crate::model::state::AttemptOutcome;
use crate::model::turn::Turn;
use crate::workflow::plan::Next;

/// How an attempt ended, decided.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// It finished: the output becomes a checkpoint, and what follows can start.
    Done { output: Payload, next: Next, turn: Turn },
    /// It failed and is due again after the delay, alone: the items that were to come after it are born without it.
    Retry { failure: Failure, delay: Duration, behind: Option<Births> },
    /// It failed and is not tried again by itself: it becomes a dead letter, and its run is blocked. The items that were
    /// to come after it are born without it.
    GiveUp { failure: Failure, behind: Option<Births> },
    /// It was handed back while it ran, for that reason; no failure is counted. One whose worker lacked something has waited all
    /// the time.
    Release { why: String, has_waited: bool },
    /// It was handed back before it began; the attempt is not counted at all.
    Unclaim,
}

/// The endings, as columns. What few of them have points back at its ending by ordinal.
#[derive(Default)]
pub(super) struct EndingColumns<'b> {
    /// The job's next state; `None` where its row ends.
    pub(super) becomes: Vec<Option<&'static str>>,
    pub(super) new_stage: Vec<i16>,
    pub(super) new_item: Vec<i32>,
    pub(super) new_until: Vec<i32>,
    pub(super) new_attempt: Vec<i32>,
    /// Until it is due; [`KEEPS_ITS_PLACE`] where that does not change, and less where its wait does not end either
    /// ([`keeps_its_wait`]).
    pub(super) delay_ms: Vec<i64>,
    pub(super) output: Vec<Option<&'b str>>,
    pub(super) digest: Vec<Option<Vec<u8>>>,
    pub(super) tried_of: Vec<i64>,
    pub(super) tried_outcome: Vec<&'static str>,
    pub(super) tried_class: Vec<Option<&'static str>>,
    pub(super) tried_message: Vec<Option<&'b str>>,
    pub(super) tried_detail: Vec<Option<String>>,
    pub(super) arrival_of: Vec<i64>,
    pub(super) arrival_stage: Vec<i16>,
    pub(super) arrival_change: Vec<i32>,
    pub(super) birth_of: Vec<i64>,
    pub(super) birth_stage: Vec<i16>,
    pub(super) birth_first: Vec<i32>,
    pub(super) birth_until: Vec<i32>,
    pub(super) birth_step: Vec<i32>,
    pub(super) end_of: Vec<i64>,
    pub(super) dead_of: Vec<i64>,
    pub(super) dead_class: Vec<&'static str>,
    pub(super) dead_message: Vec<&'b str>,
    pub(super) dead_fingerprint: Vec<String>,
    pub(super) artifacts_of: Vec<i64>,
    /// `None` where they become what they were declared to be.
    pub(super) artifacts_become: Vec<Option<&'static str>>,
    /// So many must be there for the end to land.
    pub(super) artifacts_whole: Vec<i32>,
}

/// A job's row after its attempt ended.
struct Becomes {
    state: &'static str,
    spot: Spot,
    attempt: i32,
    delay_ms: i64,
}

const KEEPS_ITS_PLACE: i64 = -1;
/// A thousand years: what a row says may be nonsense, and the statement reckons with it.
const LONGEST_WAIT_MS: i64 = 1000 * 366 * 24 * 60 * 60 * 1000;

/// As [`KEEPS_ITS_PLACE`], for a job that has waited since before its claim: that long below it.
fn keeps_its_wait(claim: &Claim) -> i64 {
    let waited = i64::try_from(claim.waited.as_millis()).unwrap_or(LONGEST_WAIT_MS);
    KEEPS_ITS_PLACE - 1 - waited.min(LONGEST_WAIT_MS)
}

impl<'b> EndingColumns<'b> {
    pub(super) fn of(batch: &'b [(Claim, Ending)], artifacts: &[Option<i32>]) -> EndingColumns<'b> {
        let mut columns = EndingColumns::default();
        for ((ordinal, (_, ending)), whole) in (1i64..).zip(batch).zip(artifacts) {
            let Some(whole) = whole else { continue };
            columns.artifacts_of.push(ordinal);
            columns.artifacts_become.push(artifacts_become(ending));
            columns.artifacts_whole.push(if matches!(ending, Ending::Done { .. }) { *whole } else { 0 });
        }
        for (ordinal, (claim, ending)) in (1i64..).zip(batch) {
            columns.push_becomes(becomes(claim, ending));
            match ending {
                Ending::Done { output, next, .. } => {
                    columns.output.push(Some(output.as_str()));
                    columns.digest.push(Some(output.digest().to_vec()));
                    columns.push_next(ordinal, next);
                }
                Ending::Retry { failure, behind, .. } => {
                    columns.push_tried(ordinal, AttemptOutcome::Failed, Some(failure));
                    columns.push_births(ordinal, behind.iter());
                }
                Ending::GiveUp { failure, behind } => {
                    columns.push_tried(ordinal, AttemptOutcome::Failed, Some(failure));
                    columns.push_dead(ordinal, failure);
                    columns.push_births(ordinal, behind.iter());
                }
                Ending::Release { why, .. } => {
                    columns.push_tried(ordinal, AttemptOutcome::Released, None);
                    // It is no failure, and has no message; piton.attempts_overview reads it from here.
                    if let Some(detail) = columns.tried_detail.last_mut() {
                        *detail = Some(serde_json::json!({"reason": why}).to_string());
                    }
                }
                Ending::Unclaim => {}
            }
            columns.output.resize(columns.becomes.len(), None);
            columns.digest.resize(columns.becomes.len(), None);
        }
        columns
    }

    fn push_becomes(&mut self, becomes: Option<Becomes>) {
        let state = becomes.as_ref().map(|b| b.state);
        let nothing = Becomes { state: "", spot: Spot::whole(0), attempt: 0, delay_ms: KEEPS_ITS_PLACE };
        let row = becomes.unwrap_or(nothing);
        self.becomes.push(state);
        self.new_stage.push(row.spot.stage);
        self.new_item.push(row.spot.item);
        self.new_until.push(row.spot.until);
        self.new_attempt.push(row.attempt);
        self.delay_ms.push(row.delay_ms);
    }

    fn push_next(&mut self, ordinal: i64, next: &Next) {
        self.push_births(ordinal, next.births.iter());
        for (stage, change) in &next.arrivals {
            self.arrival_of.push(ordinal);
            self.arrival_stage.push(*stage);
            self.arrival_change.push(*change);
        }
        if next.ends_run {
            self.end_of.push(ordinal);
        }
    }

    fn push_births<'n>(&mut self, ordinal: i64, births: impl Iterator<Item = &'n Births>) {
        for Births { stage, first, until, step } in births {
            self.birth_of.push(ordinal);
            self.birth_stage.push(*stage);
            self.birth_first.push(*first);
            self.birth_until.push(*until);
            self.birth_step.push(*step);
        }
    }

    fn push_dead(&mut self, ordinal: i64, failure: &'b Failure) {
        self.dead_of.push(ordinal);
        self.dead_class.push(failure.class().as_str());
        self.dead_message.push(failure.message());
        self.dead_fingerprint.push(fingerprint(failure.class(), failure.message()));
    }

    fn push_tried(&mut self, ordinal: i64, outcome: AttemptOutcome, failure: Option<&'b Failure>) {
        self.tried_of.push(ordinal);
        self.tried_outcome.push(outcome.as_str());
        self.tried_class.push(failure.map(|f| f.class().as_str()));
        self.tried_message.push(failure.map(Failure::message));
        self.tried_detail.push(failure.and_then(Failure::detail_json));
    }
}

/// What an ending makes of artifacts, where that is not what they were declared to be.
fn artifacts_become(ending: &Ending) -> Option<&'static str> {
    match ending {
        Ending::Done { .. } => None,
        Ending::Retry { .. } | Ending::GiveUp { .. } => Some("failed"),
        Ending::Release { .. } | Ending::Unclaim => Some("orphan"),
    }
}

/// What an ending makes of the job's row; `None` where the branch ends.
fn becomes(claim: &Claim, ending: &Ending) -> Option<Becomes> {
    let (here, attempt) = (claim.spot(), claim.key.attempt);
    let row = |state, spot, attempt, delay_ms| Some(Becomes { state, spot, attempt, delay_ms });
    match ending {
        Ending::Done { next, turn, .. } => {
            let there = next.goes_on?;
            match turn {
                Turn::Stays => row("running", there, 1, KEEPS_ITS_PLACE),
                Turn::Yields => row("ready", there, 0, KEEPS_ITS_PLACE),
                Turn::GoesToTheBack => row("ready", there, 0, 0),
            }
        }
        Ending::Retry { delay, .. } => {
            let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            row("scheduled", here.alone(), attempt, delay_ms)
        }
        Ending::GiveUp { .. } => None,
        Ending::Release { has_waited: false, .. } => row("ready", here, attempt, KEEPS_ITS_PLACE),
        Ending::Release { has_waited: true, .. } => row("ready", here, attempt, keeps_its_wait(claim)),
        Ending::Unclaim => row("ready", here, attempt.saturating_sub(1), keeps_its_wait(claim)),
    }
}
