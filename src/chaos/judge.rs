//! Compares what became of a run with the fates of its jobs. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::fate::{self, Fate};
use super::load::Loaded;
use super::workload::{self, Approved, Drafted, Looked, Output, RunInput, Said, Slept, Step};
use crate::model::digest;
use crate::model::failure::FailureClass;
use crate::model::id::NO_ITEM;
use crate::store::chaos::{AttemptEnd, Death, Kept, RunEnd};

/// Something that should not be, and where.
pub(crate) type Wrong = (&'static str, String);

/// A time on record is the begin of the transaction that wrote it, and that of a claim may have begun before the one that
/// made the job claimable has ended.
const INACCURACY: TimeDelta = TimeDelta::seconds(1);

/// The stages, in the order of the file.
const STAGES: [&str; 16] = [
    "list", "part", "steps", "program", "total", "load", "draw", "look", "warm", "nap", "approval", "some", "spare",
    "ask", "child", "draft",
];
const LIST: i16 = 0;
const PART: i16 = 1;
const STEPS: i16 = 2;
const PROGRAM: i16 = 3;
const TOTAL: i16 = 4;
const LOAD: i16 = 5;
const DRAW: i16 = 6;
const LOOK: i16 = 7;
const WARM: i16 = 8;
const NAP: i16 = 9;
const APPROVAL: i16 = 10;
const SOME: i16 = 11;
const SPARE: i16 = 12;
const ASK: i16 = 13;
const CHILD: i16 = 14;
const DRAFT: i16 = 15;

/// A run with all that is on record about it.
pub(crate) struct Case<'r> {
    pub(crate) run: &'r RunEnd,
    pub(crate) attempts: Vec<&'r AttemptEnd>,
    pub(crate) deaths: Vec<&'r Death>,
    pub(crate) kept: Vec<&'r Kept>,
    /// Of `approval`.
    pub(crate) signals: Sent,
    /// Of `ask`.
    pub(crate) callbacks: Sent,
    /// A failover may have taken back what was committed.
    pub(crate) loses_commits: bool,
}

/// Answers to a stage of a run, by what they say.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) all: Vec<u32>,
    /// Those of which the database had said that they count, and that no failover can have lost.
    pub(crate) taken: Vec<u32>,
}

/// A job's place in its run.
type Place = (i16, i32);

/// What is wrong with a run of the campaign's own workflow.
pub(crate) fn judge(case: &Case<'_>) -> Vec<Wrong> {
    let Ok(input) = serde_json::from_str::<RunInput>(&case.run.input) else {
        return vec![("inputs that are not what was started", case.run.uuid.to_string())];
    };
    let mut judge = Judge { case, input, jobs: BTreeMap::new(), wrong: Vec::new() };
    for attempt in &case.attempts {
        judge.jobs.entry((attempt.stage, attempt.item)).or_default().push(attempt);
    }
    judge.run();
    judge.wrong
}

struct Judge<'r> {
    case: &'r Case<'r>,
    input: RunInput,
    jobs: BTreeMap<Place, Vec<&'r AttemptEnd>>,
    wrong: Vec<Wrong>,
}

impl Judge<'_> {
    /// Every job in turn, in the order of the graph.
    fn run(&mut self) {
        let items = 0..i32::try_from(self.input.items).unwrap_or(i32::MAX);
        let mut expected = vec![(LIST, NO_ITEM)];
        if self.finishes((LIST, NO_ITEM)) {
            let whole = [PART, STEPS, PROGRAM, LOAD, DRAW, LOOK, WARM, NAP, APPROVAL, SOME, SPARE, ASK, CHILD, DRAFT];
            expected.extend(whole.map(|stage| (stage, NO_ITEM)));
            expected.extend(items.map(|item| (PART, item)));
        }
        let total_is_reached = expected.len() > 1 && expected.iter().all(|place| self.is_passed(*place));
        if total_is_reached {
            expected.push((TOTAL, NO_ITEM));
        }
        for place in &expected {
            self.job(*place);
        }
        let unexpected: Vec<Place> = self.jobs.keys().filter(|place| !expected.contains(place)).copied().collect();
        for place in unexpected {
            self.say("jobs that should never have begun", place);
        }
        self.kept();
        let state = if total_is_reached && self.finishes((TOTAL, NO_ITEM)) { "done" } else { "blocked" };
        if self.case.run.state != state {
            self.wrong.push(("runs that did not end as they should", format!("{} {}", self.case.run.uuid, state)));
        }
    }

    fn fate(&self, (stage, item): Place) -> Fate {
        match (stage, item) {
            // The split has none of its own, nor have the programs; the warm one meets its own, and finishes.
            (PART, NO_ITEM) | (PROGRAM | LOAD | DRAW | LOOK | WARM, _) => Fate::Finishes(Vec::new()),
            (NAP | APPROVAL | ASK | CHILD | DRAFT, _) => Fate::Finishes(Vec::new()),
            (SOME, _) if !self.runs_some() => Fate::Finishes(Vec::new()),
            (stage, item) => fate::of(self.input.seed, name(stage), u32::try_from(item).ok()).fate,
        }
    }

    fn finishes(&self, place: Place) -> bool {
        matches!(self.fate(place), Fate::Finishes(_))
    }

    /// What needs it goes on.
    fn is_passed(&self, place: Place) -> bool {
        self.finishes(place) || place.0 == SPARE
    }

    fn runs_some(&self) -> bool {
        self.input.items >= workload::SOME_FROM
    }

    fn job(&mut self, place: Place) {
        let attempts = self.jobs.get(&place).cloned().unwrap_or_default();
        let deaths: Vec<&str> =
            self.case.deaths.iter().filter(|d| (d.stage, d.item) == place).map(|d| d.class.as_str()).collect();
        let done: Vec<&AttemptEnd> = attempts.iter().filter(|a| a.outcome == "done").copied().collect();
        match self.fate(place) {
            Fate::Finishes(_) => {
                let [done] = done.as_slice() else {
                    return self.say("jobs that have not exactly one checkpoint", place);
                };
                if !deaths.is_empty() {
                    self.say("jobs that were given up although they can finish", place);
                }
                self.output(place, done);
            }
            Fate::Dies(stumble) => {
                let skips = done.iter().filter(|done| done.skipped.is_some()).count();
                if (done.len(), skips) != if place.0 == SPARE { (1, 1) } else { (0, 0) } {
                    self.say("checkpoints of jobs that never finish, or none where the run is to go on", place);
                }
                if deaths != [stumble.class().as_str()] {
                    self.say("jobs that were not given up once, for the cause that was injected", place);
                }
                self.budget(place, &attempts, stumble.class());
            }
        }
        self.order(place, &attempts);
    }

    /// A job that was given up has spent its retries, and not more.
    fn budget(&mut self, place: Place, attempts: &[&AttemptEnd], class: FailureClass) {
        let failed = attempts.iter().filter(|a| a.outcome == "failed" && a.class.as_deref() == Some(class.as_str()));
        let allowed = if class == FailureClass::Crashed { 0 } else { workload::retries(class) as usize + 1 };
        if failed.count() != allowed {
            self.say("jobs that had more or fewer tries than their retries allow", place);
        }
    }

    /// What was committed is what that attempt returned.
    fn output(&mut self, place: Place, done: &AttemptEnd) {
        let text = done.output.as_deref().unwrap_or_default();
        let attempt = done.attempt.unsigned_abs();
        let is_skipped = place.0 == SOME && !self.runs_some();
        if done.skipped.is_some() != is_skipped {
            return self.say("stages that were skipped, or not, against their conditions", place);
        }
        let right = match place {
            _ if is_skipped => text == "null",
            (NAP, _) => serde_json::from_str(text).is_ok_and(|slept: Slept| is_long_enough(&slept, done)),
            (APPROVAL, _) => {
                serde_json::from_str(text).is_ok_and(|said: Approved| is_answer(&self.case.signals, &said, done))
            }
            (ASK, _) => {
                serde_json::from_str(text).is_ok_and(|said: Approved| is_answer(&self.case.callbacks, &said, done))
            }
            (CHILD, _) => serde_json::from_str(text)
                .is_ok_and(|output: Output| output.value == fate::of(self.input.seed, "leaf", None).value),
            (DRAFT, _) => serde_json::from_str(text).is_ok_and(|drafted: Drafted| {
                let (round, seen) = (workload::ROUNDS, Some(workload::ROUNDS - 1));
                drafted == Drafted { seed: self.input.seed, attempt, round, seen }
            }),
            (PART, NO_ITEM) => text == self.input.items.to_string(),
            (PROGRAM, _) => serde_json::from_str(text).is_ok_and(|said: Said| self.is_said(&said, attempt)),
            (LOAD, _) => serde_json::from_str(text).is_ok_and(|loaded: Loaded| self.is_loaded(&loaded, attempt)),
            (DRAW, _) => self.shown().is_some_and(|picture| text.contains(&digest::hex(&picture.digest))),
            (LOOK, _) => serde_json::from_str(text).is_ok_and(|looked: Looked| {
                looked.attempt == attempt
                    && self.shown().is_some_and(|picture| looked.seen == digest::hex(&picture.digest))
            }),
            (WARM, _) => serde_json::from_str(text)
                .is_ok_and(|said: Said| self.is_said(&said, attempt) && said.in_hand == Some(self.input.seed)),
            _ => serde_json::from_str(text).is_ok_and(|output: Output| self.is_right(place, &output, attempt)),
        };
        if !right {
            self.say("outputs that are not of the attempt that committed them, or not right", place);
        }
    }

    /// The program was given its own run's input, and what its own run's list had returned.
    fn is_said(&self, said: &Said, attempt: u32) -> bool {
        let list = fate::of(self.input.seed, name(LIST), None).value;
        let items: Vec<u32> = (0..self.input.items).collect();
        let is_own = said.run == self.case.run.uuid && said.given.input == self.input;
        said.attempt == attempt && is_own && said.given.list.value == list && said.given.list.items == items
    }

    /// By that attempt, or by one before it that was lost behind its commit.
    fn is_loaded(&self, loaded: &Loaded, attempt: u32) -> bool {
        let is_own = loaded.run == self.case.run.uuid && loaded.seed == self.input.seed;
        is_own && (1..=attempt).contains(&loaded.attempt)
    }

    /// What `draw` has made, as far as it can be seen.
    fn shown(&self) -> Option<&Kept> {
        self.case.kept.iter().find(|kept| kept.stage == DRAW).copied()
    }

    /// What can be seen of it is what the attempt that finished has kept.
    fn kept(&mut self) {
        for kept in &self.case.kept {
            let attempt = kept.attempt.unsigned_abs();
            let expected = match kept.stage {
                STEPS => Some(workload::drawn(self.input.seed, attempt)),
                DRAW => Some(workload::picture(self.case.run.uuid, attempt)),
                _ => None,
            };
            if expected.is_none_or(|expected| kept.digest != digest::of(&expected)) {
                self.say("artifacts that are not of their own run and attempt", (kept.stage, kept.item));
            }
        }
    }

    fn is_right(&self, (stage, item): Place, output: &Output, attempt: u32) -> bool {
        let own = |stage, item| fate::of(self.input.seed, name(stage), item).value;
        let value = match stage {
            TOTAL => {
                let parts: u64 = (0..self.input.items).map(|item| own(PART, Some(item))).sum();
                let some = if self.runs_some() { own(SOME, None) } else { 0 };
                let spare = if self.finishes((SPARE, NO_ITEM)) { own(SPARE, None) } else { 0 };
                own(TOTAL, None) + parts + own(STEPS, None) + some + spare
            }
            stage => own(stage, u32::try_from(item).ok()),
        };
        let items: Vec<u32> = if stage == LIST { (0..self.input.items).collect() } else { Vec::new() };
        let steps = stage != STEPS || self.are_right(&output.steps, attempt);
        output.attempt == attempt && output.value == value && output.items == items && steps
    }

    /// A step runs in one attempt, and is read back by those after it. Where a failover has lost one, it runs again, while those behind
    /// it may be read back.
    fn are_right(&self, steps: &[Step], last: u32) -> bool {
        let attempts: Vec<u32> = steps.iter().map(|step| step.attempt).collect();
        let are_own = steps.iter().all(|step| step.seed == self.input.seed && step.attempt <= last);
        steps.len() == workload::STEPS && are_own && (attempts.is_sorted() || self.case.loses_commits)
    }

    /// Attempts follow one another, and none begins before what its stage needs is done.
    fn order(&mut self, place: Place, attempts: &[&AttemptEnd]) {
        // What stands for an optional stage that was given up has no time of its own.
        let mut attempts: Vec<_> = attempts.iter().filter(|a| place.0 != SPARE || a.skipped.is_none()).collect();
        attempts.sort_by_key(|a| a.attempt);
        let ended = |need| self.jobs.get(&need)?.iter().map(|a| a.ended_at).max();
        let ready = self.needs(place).into_iter().filter_map(ended).max();
        let before = |early: DateTime<Utc>, late: DateTime<Utc>| early + INACCURACY < late;
        let too_early =
            ready.is_some_and(|ready| attempts.first().is_some_and(|first| before(first.started_at, ready)));
        if too_early || attempts.windows(2).any(|pair| before(pair[1].started_at, pair[0].ended_at)) {
            self.say("attempts that began before their turn", place);
        }
    }

    fn needs(&self, (stage, item): Place) -> Vec<Place> {
        match (stage, item) {
            (LIST, _) => Vec::new(),
            (TOTAL, _) => self.jobs.keys().filter(|(stage, _)| *stage != TOTAL).copied().collect(),
            (PART, 0..) => vec![(PART, NO_ITEM)],
            (LOOK, _) => vec![(DRAW, NO_ITEM)],
            _ => vec![(LIST, NO_ITEM)],
        }
    }

    fn say(&mut self, what: &'static str, (stage, item): Place) {
        self.wrong.push((what, format!("run {} stage {} item {item}", self.case.run.uuid, name(stage))));
    }
}

/// An answer that counts is the output. Without any, the timeout is, and not before its time.
fn is_answer(sent: &Sent, said: &Approved, done: &AttemptEnd) -> bool {
    match (said.by, sent.taken.as_slice()) {
        (0, []) => done.ended_at - done.waited_since + INACCURACY >= as_delta(workload::PATIENCE),
        (by, []) => sent.all.contains(&by),
        (by, [taken]) => by == *taken,
        (_, _) => false,
    }
}

/// It slept for its time, and the stage ended after that.
fn is_long_enough(slept: &Slept, done: &AttemptEnd) -> bool {
    let length = slept.until - slept.since;
    !slept.woken && length >= as_delta(workload::NAP) && done.ended_at + INACCURACY >= slept.until
}

fn as_delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

fn name(stage: i16) -> &'static str {
    usize::try_from(stage).ok().and_then(|stage| STAGES.get(stage)).copied().unwrap_or("?")
}

#[cfg(test)]
mod tests;
