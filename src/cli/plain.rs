//! Follows a run in lines, for a pipe or a file.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::follow::{Follower, opening};
use super::why;
use crate::cli::output::errln;
use crate::store::why::RunWait;
use crate::view::snapshot::{Snapshot, StageState, StageView};
use crate::view::when;

/// Lines come at least that often, also where nothing has changed.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Between two lines about the items of a stage.
const CALM: Duration = Duration::from_secs(1);

/// So long something has to hold a run before it is said.
const STANDS: Duration = Duration::from_secs(3);

/// Lines for a pipe: one for each stage whose state changed, and one now and then where none does.
pub(crate) struct PlainLines {
    loud: bool,
    began: Instant,
    said: Mutex<Said>,
    /// What was said of what holds the run, by stage and reason, and since when it has.
    held: Mutex<HashMap<(String, String), Held>>,
}

/// Each stage as it was last spoken of, and when anything was.
struct Said {
    stages: Vec<StageView>,
    at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    since: Instant,
    is_said: bool,
}

impl PlainLines {
    /// Not loud: only what standard output will say.
    pub(crate) fn new(loud: bool) -> PlainLines {
        let began = Instant::now();
        PlainLines { loud, began, said: Mutex::new(Said { stages: Vec::new(), at: began }), held: Mutex::default() }
    }
}

impl Follower for PlainLines {
    fn begin(&self, snapshot: &Snapshot, resumed: bool) {
        self.say(&opening(snapshot, resumed));
        if resumed {
            self.said.lock().unwrap_or_else(PoisonError::into_inner).stages = snapshot.stages.clone();
        }
    }

    fn change(&self, snapshot: &Snapshot) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let calm = said.at.elapsed() >= CALM;
        let is_first = said.stages.is_empty();
        for (at, stage) in snapshot.stages.iter().enumerate() {
            if is_news(said.stages.get(at), stage, calm) {
                self.say(&format!("  {}: {}", stage.name, stage.words()));
                said.at = Instant::now();
            } else if !is_first {
                continue;
            }
            match said.stages.get_mut(at) {
                Some(before) => *before = stage.clone(),
                None => said.stages.push(stage.clone()),
            }
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for line in newly_held(&mut held, snapshot.up_to_people(), Instant::now()) {
            self.say(&line);
            said.at = Instant::now();
        }
    }

    fn end(&self, _: &Snapshot) {}

    fn say(&self, line: &str) {
        if self.loud {
            errln!("{line}");
        }
    }

    fn is_silent(&self) -> bool {
        self.loud && self.said.lock().unwrap_or_else(PoisonError::into_inner).at.elapsed() >= LINE_EVERY
    }

    fn remind(&self, lines: &[String]) {
        let so_far = chrono::TimeDelta::from_std(self.began.elapsed()).unwrap_or_default();
        for line in lines {
            self.say(&format!("  after {}, {line}", when::span(so_far)));
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).at = Instant::now();
    }
}

/// Whether there is something new to say of a stage, since it was last spoken of.
fn is_news(before: Option<&StageView>, stage: &StageView, calm: bool) -> bool {
    let failures = |s: &StageView| s.row.as_ref().map_or(0, |row| row.failures);
    match before {
        None => !matches!(stage.state, StageState::Waiting | StageState::Ready),
        Some(old) => {
            old.state != stage.state && stage.state != StageState::Ready
                || failures(old) != failures(stage)
                // Items tick too fast for a line each.
                || calm && tenths(old) != tenths(stage)
        }
    }
}

/// How many tenths of a stage's items are done.
fn tenths(stage: &StageView) -> i64 {
    let row = stage.row.as_ref().filter(|_| stage.fanned);
    row.and_then(|row| row.done.saturating_mul(10).checked_div(row.items?)).unwrap_or_default()
}

/// Without the further reasons, of which a worker that has only just come may be one.
fn first_reason(wait: &RunWait) -> RunWait {
    let first = |text: &str, end: &str| text.split(end).next().unwrap_or_default().to_owned();
    RunWait { why: first(&wait.why, "; also "), moves: first(&wait.moves, ", then "), ..wait.clone() }
}

/// Lines for what holds the run until somebody acts. A worker that has only just come is not seen at once: but for a pause, it is
/// said when it has stood for a while.
fn newly_held<'w>(
    held: &mut HashMap<(String, String), Held>,
    waits: impl Iterator<Item = &'w RunWait>,
    now: Instant,
) -> Vec<String> {
    let waits: Vec<&RunWait> = waits.filter(|wait| wait.reason != "decision").collect();
    let name = |wait: &RunWait| (wait.stage.clone(), wait.reason.clone());
    held.retain(|held, _| waits.iter().any(|wait| name(wait) == *held));
    let mut lines = Vec::new();
    for wait in waits {
        let held = held.entry(name(wait)).or_insert(Held { since: now, is_said: false });
        let stands = now.duration_since(held.since) >= STANDS;
        if (stands || wait.reason == "paused") && !std::mem::replace(&mut held.is_said, true) {
            let wait = if stands { wait.clone() } else { first_reason(wait) };
            lines.push(format!("  {}", why::in_words(&wait)));
        }
    }
    lines
}
