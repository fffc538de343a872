//! Following a run: snapshots at intervals, told as they change.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::why;
use crate::cli::output::errln;
use crate::model::id::RunId;
use crate::queue::catalog::Catalog;
use crate::store::why::RunWait;
use crate::store::{Store, StoreError};
use crate::view::snapshot::{Snapshot, StageState, StageView};
use crate::view::when;
use crate::worker::Shutdown;

/// Between two snapshots.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Lines come at least that often, also where nothing has changed.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Between two lines about the items of a stage.
const CALM: Duration = Duration::from_secs(1);

/// So long something has to hold a run before it is said.
const STANDS: Duration = Duration::from_secs(3);

/// Someone who is told how a run goes.
pub(crate) trait Follower: Send + Sync {
    fn begin(&self, snapshot: &Snapshot, resumed: bool);
    fn change(&self, snapshot: &Snapshot);
    fn end(&self, snapshot: &Snapshot);
    /// A line for people in between.
    fn say(&self, line: &str);
    /// Whether it has said nothing for so long that people may wonder.
    fn is_silent(&self) -> bool {
        false
    }
    /// Where things stand, said although nothing has changed.
    fn remind(&self, _: &[String]) {}
}

/// Tells the follower until the run has ended or a signal comes, then asks the worker to stop. Returns the last
/// snapshot; a database that is away is waited for.
pub(crate) async fn until_ended(
    store: &Store,
    catalog: &Catalog,
    id: RunId,
    follower: &dyn Follower,
    signals: Shutdown,
    worker: Shutdown,
) -> anyhow::Result<Snapshot> {
    let ended = told(store, catalog, id, follower, signals, &worker).await;
    // Whatever it was: nobody else tells the worker, and nobody listens to signals any more.
    worker.ask();
    if ended.is_err() {
        worker.ask();
    }
    ended
}

async fn told(
    store: &Store,
    catalog: &Catalog,
    id: RunId,
    follower: &dyn Follower,
    signals: Shutdown,
    worker: &Shutdown,
) -> anyhow::Result<Snapshot> {
    let (mut interrupted, mut away) = (false, false);
    let mut last = None;
    loop {
        match Snapshot::read(store, catalog, id).await {
            Ok(Some(snapshot)) => {
                if std::mem::take(&mut away) {
                    follower.say("the database is back");
                }
                follower.change(&snapshot);
                if snapshot.is_at_rest() || interrupted {
                    return Ok(snapshot);
                }
                if follower.is_silent() {
                    follower.remind(&where_it_stands(&snapshot));
                }
                last = Some(snapshot);
            }
            Ok(None) => anyhow::bail!("the run {id} is gone from the database"),
            Err(StoreError::Away(error)) if !interrupted => {
                if !std::mem::replace(&mut away, true) {
                    follower.say(&format!("{}, waiting for it", StoreError::Away(error)));
                } else if follower.is_silent() {
                    follower.remind(&["the database is still away".to_owned()]);
                }
            }
            Err(error) => match (error, last.take()) {
                // It is not waited for any more, and the run goes on another time.
                (StoreError::Away(_), Some(last)) => return Ok(last),
                (error, _) => return Err(error.into()),
            },
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = signals.asked(), if !interrupted => {
                interrupted = true;
                follower.say("stopping: running stages may finish; again to hand them back at once");
                worker.ask();
                // The second signal goes to the worker too.
                let (signals, worker) = (signals.clone(), worker.clone());
                tokio::spawn(async move {
                    signals.times(2).await;
                    worker.ask();
                });
            }
        }
    }
}

/// The stages that are under way, or what would move them where none runs.
fn where_it_stands(snapshot: &Snapshot) -> Vec<String> {
    let under_way = |s: &&StageView| matches!(s.state, StageState::Running | StageState::Ready | StageState::Scheduled);
    let stages: Vec<&StageView> = snapshot.stages.iter().filter(under_way).collect();
    let holds: Vec<String> =
        stages.iter().flat_map(|s| &s.waits).filter(|wait| wait.reason != "stages").map(why::in_words).collect();
    if holds.is_empty() || stages.iter().any(|stage| stage.state == StageState::Running) {
        return stages.into_iter().map(|stage| format!("{}: {}", stage.name, stage.words())).collect();
    }
    holds
}

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

/// How the tale begins.
pub(crate) fn opening(snapshot: &Snapshot, resumed: bool) -> String {
    let done = snapshot.stages.iter().filter(|s| s.state == StageState::Done).count();
    let run = &snapshot.run;
    match resumed {
        false => format!("Run {} of {} started", run.id, run.workflow),
        true => {
            format!("Run {} of {} goes on: {done} of {} stages are done", run.id, run.workflow, snapshot.stages.len())
        }
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
        let stands = wait.reason == "paused" || now.duration_since(held.since) >= STANDS;
        if stands && !std::mem::replace(&mut held.is_said, stands) {
            lines.push(format!("  {}", why::in_words(wait)));
        }
    }
    lines
}

/// Log lines go through the follower, so that they do not tear the live view.
#[derive(Clone)]
pub(crate) struct LogWriter(pub(crate) Arc<dyn Follower>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.say(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&'w self) -> LogWriter {
        self.clone()
    }
}
