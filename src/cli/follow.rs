//! Follows a run: takes snapshots at intervals, and shows what has changed.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::why;
use crate::definitions::Definitions;
use crate::model::id::RunId;
use crate::store::{Store, StoreError};
use crate::view::snapshot::{Snapshot, StageState, StageView, is_held};
use crate::worker::Shutdown;

/// Between two snapshots.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Between two questions what holds it.
const ASK_EVERY: Duration = Duration::from_secs(2);

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
    definitions: &Definitions,
    id: RunId,
    follower: &dyn Follower,
    signals: Shutdown,
    worker: Shutdown,
) -> anyhow::Result<Snapshot> {
    let ended = told(store, definitions, id, follower, signals, &worker).await;
    // Whatever it was: nobody else tells the worker, and nobody listens to signals any more.
    worker.ask();
    if ended.is_err() {
        worker.ask();
    }
    ended
}

async fn told(
    store: &Store,
    definitions: &Definitions,
    id: RunId,
    follower: &dyn Follower,
    signals: Shutdown,
    worker: &Shutdown,
) -> anyhow::Result<Snapshot> {
    let (mut interrupted, mut away) = (false, false);
    let mut last: Option<Snapshot> = None;
    let mut asked: Option<Instant> = None;
    loop {
        match look(store, definitions, id, last.as_ref(), &mut asked).await {
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
    let under_way = |s: &&StageView| {
        matches!(s.state, StageState::Running | StageState::Ready | StageState::Scheduled | StageState::Awaiting)
    };
    let stages: Vec<&StageView> = snapshot.stages.iter().filter(under_way).collect();
    let holds: Vec<String> =
        stages.iter().flat_map(|s| &s.waits).filter(|wait| wait.reason != "stages").map(why::in_words).collect();
    if holds.is_empty() || stages.iter().any(|stage| stage.state == StageState::Running) {
        return stages.into_iter().map(|stage| format!("{}: {}", stage.name, stage.words())).collect();
    }
    holds
}

/// How many of its jobs are where: reasons count them.
fn jobs(stage: &StageView) -> Option<[i64; 6]> {
    stage.row.as_ref().map(|row| [row.done, row.running, row.ready, row.scheduled, row.waiting, row.dead])
}

/// A snapshot in which a reason that was asked for lately stands until it is asked for again, or its jobs move on: asking costs
/// more than all the rest.
async fn look(
    store: &Store,
    definitions: &Definitions,
    id: RunId,
    before: Option<&Snapshot>,
    asked: &mut Option<Instant>,
) -> Result<Option<Snapshot>, StoreError> {
    let Some(mut now) = Snapshot::glance(store, definitions, id).await? else { return Ok(None) };
    let old = |name: &str| before.and_then(|before| before.stages.iter().find(|stage| stage.name == name));
    for stage in &mut now.stages {
        if let Some(old) = old(&stage.name).filter(|old| old.state == stage.state && jobs(old) == jobs(stage)) {
            stage.waits = old.waits.clone();
        }
    }
    let is_new = now
        .stages
        .iter()
        .any(|stage| matches!(stage.state, StageState::Scheduled | StageState::Awaiting) && stage.waits.is_empty());
    let is_held = now.stages.iter().filter_map(|stage| stage.row.as_ref()).any(is_held);
    if is_new || is_held && asked.is_none_or(|asked| asked.elapsed() > ASK_EVERY) {
        now.ask_why(store).await?;
        *asked = Some(Instant::now());
    }
    Ok(Some(now))
}

/// How the tale begins.
pub(crate) fn opening(snapshot: &Snapshot, resumed: bool) -> String {
    let done = snapshot.stages.iter().filter(|s| s.state.is_complete()).count();
    let run = &snapshot.run;
    match resumed {
        false => format!("Run {} of {} started", run.id, run.workflow),
        true => {
            format!("Run {} of {} goes on: {done} of {} stages are done", run.id, run.workflow, snapshot.stages.len())
        }
    }
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
