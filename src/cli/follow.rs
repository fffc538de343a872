//! Following a run: snapshots at intervals, told as they change.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::output::errln;
use crate::model::id::RunId;
use crate::queue::catalog::Catalog;
use crate::store::why::Waiting;
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
/// Jobs that are looked at to say what a run waits for.
const WAITS: i64 = 200;

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
                    follower.remind(&where_it_stands(store, &snapshot).await);
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

/// The stages that are under way, or what moves them where none runs.
async fn where_it_stands(store: &Store, snapshot: &Snapshot) -> Vec<String> {
    let under_way = |s: &&StageView| matches!(s.state, StageState::Running | StageState::Ready | StageState::Scheduled);
    let stages: Vec<&StageView> = snapshot.stages.iter().filter(under_way).collect();
    if !stages.iter().any(|stage| stage.state == StageState::Running)
        // If the database has just gone away, the next look says so.
        && let Ok(waits) = store.waiting(snapshot.run.id, WAITS).await
        && !waits.is_empty()
    {
        return waits_in_words(&waits);
    }
    stages.into_iter().map(|stage| format!("{}: {}", stage.name, stage.words())).collect()
}

/// One line for each stage and reason.
fn waits_in_words(waits: &[Waiting]) -> Vec<String> {
    let of = |one: &Waiting, other: &Waiting| (&one.stage, &one.reason) == (&other.stage, &other.reason);
    let is_first = |at: usize| !waits[..at].iter().any(|before| of(before, &waits[at]));
    let firsts = waits.iter().enumerate().filter(|(at, _)| is_first(*at));
    firsts
        .map(|(_, first)| {
            let count = waits.iter().filter(|wait| of(first, wait)).count();
            let jobs = if count > 1 { format!(" ({count} jobs)") } else { String::new() };
            format!("{}: {}{jobs}; moved by: {}", first.stage, first.why, first.moves)
        })
        .collect()
}

/// Lines for a pipe: one for each stage whose state changed, and one now and then where none does.
pub(crate) struct PlainLines {
    loud: bool,
    began: Instant,
    said: Mutex<Said>,
}

/// Each stage as it was last spoken of, and when anything was.
struct Said {
    stages: Vec<StageView>,
    at: Instant,
}

impl PlainLines {
    /// Not loud: only what standard output will say.
    pub(crate) fn new(loud: bool) -> PlainLines {
        let began = Instant::now();
        PlainLines { loud, began, said: Mutex::new(Said { stages: Vec::new(), at: began }) }
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
