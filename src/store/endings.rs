//! How attempts end, as the columns of their commit.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::model::claim::Claim;
use crate::model::digest;
use crate::model::failure::Failure;
use crate::model::fingerprint::fingerprint;
use crate::model::lane::{Births, Spot};
use crate::model::payload::Payload;
use crate::model::state::AttemptOutcome;
use crate::model::turn::Turn;
use crate::workflow::plan::{END, Next};

/// How an attempt ended, decided.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// It finished: the output becomes a checkpoint, and what follows can start.
    Done { output: Payload, next: Next, turn: Turn },
    /// It was skipped: the reason becomes a checkpoint with that in place of an output, and what follows can start.
    Skipped { instead: Payload, reason: Arc<str>, next: Next, turn: Turn },
    /// It failed for good, and its run goes on as after a skip: a dead letter that is tolerated, and the reason as a checkpoint behind its
    /// last attempt.
    Tolerated { failure: Failure, instead: Payload, reason: Arc<str>, next: Next, turn: Turn },
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

impl Ending {
    /// Whether its run may be done with it.
    pub(crate) fn may_end_its_run(&self) -> bool {
        match self {
            Ending::Done { next, .. } | Ending::Skipped { next, .. } | Ending::Tolerated { next, .. } => {
                next.ends_run || next.arrivals.iter().any(|(stage, _)| *stage == END)
            }
            Ending::Retry { .. } | Ending::GiveUp { .. } | Ending::Release { .. } | Ending::Unclaim => false,
        }
    }
}

/// The endings, as columns of an element each, and what few of them have.
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
    pub(super) ends_run: Vec<bool>,
    pub(super) extras: Extras<'b>,
}

/// What few endings have: each names its ending by ordinal, from 1.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Extras<'b> {
    /// Their runs may get new jobs or a dead letter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growing: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Tried<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skips: Vec<Skip<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead_letters: Vec<Dead<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arrivals: Vec<Arrival>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    births: Vec<Birth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    artifacts: Vec<Kept>,
}

/// An attempt that is on record with a row of its own: it failed, or was handed back.
#[derive(Debug, PartialEq, Serialize)]
struct Tried<'b> {
    ord: i64,
    outcome: &'static str,
    class: Option<&'static str>,
    message: Option<&'b str>,
    /// JSON text, which is kept as it is.
    detail: Option<String>,
}

/// A job that was skipped.
#[derive(Debug, PartialEq, Serialize)]
struct Skip<'b> {
    ord: i64,
    output: &'b str,
    /// In hexadecimal digits.
    digest: String,
    reason: &'b str,
    /// By how much the number of its attempt is behind that of the claim, whose own is that of a failure.
    behind: i32,
}

#[derive(Debug, PartialEq, Serialize)]
struct Dead<'b> {
    ord: i64,
    class: &'static str,
    message: &'b str,
    fingerprint: String,
    /// Its run goes on.
    tolerated: bool,
}

/// How many more branches, or fewer, a join waits for.
#[derive(Debug, PartialEq, Serialize)]
struct Arrival {
    ord: i64,
    stage: i16,
    change: i32,
}

/// Branches of a stage that begin.
#[derive(Debug, PartialEq, Serialize)]
struct Birth {
    ord: i64,
    stage: i16,
    first: i32,
    until: i32,
    step: i32,
}

/// The artifacts of an attempt.
#[derive(Debug, PartialEq, Serialize)]
struct Kept {
    ord: i64,
    /// `None` where they become what they were declared to be.
    becomes: Option<&'static str>,
    /// How many must be there for the end to land.
    whole: i32,
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
    /// `artifacts` says of each ending how many it has, if it has some.
    pub(super) fn of(batch: &'b [(Claim, Ending)], artifacts: &[Option<i32>]) -> EndingColumns<'b> {
        let mut columns = EndingColumns::default();
        for ((ordinal, (claim, ending)), kept) in (1i64..).zip(batch).zip(artifacts) {
            columns.push_becomes(becomes(claim, ending));
            let (output, ends_run) = match ending {
                Ending::Done { output, next, .. } => (Some(output), next.ends_run),
                Ending::Skipped { next, .. } | Ending::Tolerated { next, .. } => (None, next.ends_run),
                Ending::Retry { .. } | Ending::GiveUp { .. } | Ending::Release { .. } | Ending::Unclaim => {
                    (None, false)
                }
            };
            columns.output.push(output.map(Payload::as_str));
            columns.digest.push(output.map(|output| output.digest().to_vec()));
            columns.ends_run.push(ends_run);
            columns.extras.push(ordinal, ending, *kept);
        }
        columns
    }

    /// Whether all of them are ends that `commit_common.sql` knows: branches that stay with their worker, and branches that end with a
    /// checkpoint and nothing beside it.
    pub(super) fn are_common(&self) -> bool {
        let stay_or_end = self.becomes.iter().all(|becomes| becomes.is_none_or(|state| state == "running"));
        stay_or_end && self.extras == Extras::default()
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
}

impl<'b> Extras<'b> {
    fn push(&mut self, ord: i64, ending: &'b Ending, kept: Option<i32>) {
        if let Ending::Skipped { instead, reason, .. } | Ending::Tolerated { instead, reason, .. } = ending {
            let digest = digest::hex(&digest::of_skip(reason));
            let behind = i32::from(matches!(ending, Ending::Tolerated { .. }));
            self.skips.push(Skip { ord, output: instead.as_str(), digest, reason, behind });
        }
        if let Ending::GiveUp { failure, .. } | Ending::Tolerated { failure, .. } = ending {
            self.failures.push(Tried::failed(ord, failure));
            let (class, message) = (failure.class(), failure.message());
            let (fingerprint, tolerated) = (fingerprint(class, message), matches!(ending, Ending::Tolerated { .. }));
            self.dead_letters.push(Dead { ord, class: class.as_str(), message, fingerprint, tolerated });
        }
        let births = match ending {
            Ending::Done { next, .. } | Ending::Skipped { next, .. } | Ending::Tolerated { next, .. } => {
                self.arrivals.extend(next.arrivals.iter().map(|&(stage, change)| Arrival { ord, stage, change }));
                next.births.as_slice()
            }
            Ending::Retry { failure, behind, .. } => {
                self.failures.push(Tried::failed(ord, failure));
                behind.as_slice()
            }
            Ending::GiveUp { behind, .. } => behind.as_slice(),
            Ending::Release { why, .. } => {
                self.failures.push(Tried::released(ord, why));
                &[]
            }
            Ending::Unclaim => &[],
        };
        let birth = |&Births { stage, first, until, step }: &Births| Birth { ord, stage, first, until, step };
        self.births.extend(births.iter().map(birth));
        self.artifacts.extend(kept.map(|whole| Kept::of(ord, ending, whole)));
        let arrives = match ending {
            Ending::Done { next, .. } | Ending::Skipped { next, .. } => !next.arrivals.is_empty(),
            Ending::GiveUp { .. } | Ending::Tolerated { .. } => true,
            Ending::Retry { .. } | Ending::Release { .. } | Ending::Unclaim => false,
        };
        if arrives || !births.is_empty() {
            self.growing.push(ord);
        }
    }
}

impl<'b> Tried<'b> {
    fn failed(ord: i64, failure: &'b Failure) -> Tried<'b> {
        Tried {
            ord,
            outcome: AttemptOutcome::Failed.as_str(),
            class: Some(failure.class().as_str()),
            message: Some(failure.message()),
            detail: failure.detail_json(),
        }
    }

    /// That is no failure, and has no message; piton.attempts_overview reads the reason from the detail.
    fn released(ord: i64, why: &str) -> Tried<'b> {
        let detail = Some(serde_json::json!({"reason": why}).to_string());
        Tried { ord, outcome: AttemptOutcome::Released.as_str(), class: None, message: None, detail }
    }
}

impl Kept {
    fn of(ord: i64, ending: &Ending, whole: i32) -> Kept {
        match ending {
            Ending::Done { .. } | Ending::Skipped { .. } => Kept { ord, becomes: None, whole },
            Ending::Retry { .. } | Ending::GiveUp { .. } | Ending::Tolerated { .. } => {
                Kept { ord, becomes: Some("failed"), whole: 0 }
            }
            Ending::Release { .. } | Ending::Unclaim => Kept { ord, becomes: Some("orphan"), whole: 0 },
        }
    }
}

/// What an ending makes of the job's row; `None` where the branch ends.
fn becomes(claim: &Claim, ending: &Ending) -> Option<Becomes> {
    let (here, attempt) = (claim.spot(), claim.key.attempt);
    let row = |state, spot, attempt, delay_ms| Some(Becomes { state, spot, attempt, delay_ms });
    match ending {
        Ending::Done { next, turn, .. } | Ending::Skipped { next, turn, .. } | Ending::Tolerated { next, turn, .. } => {
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
