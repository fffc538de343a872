//! A run at one moment, as every face shows it.

use std::sync::Arc;

use serde::Serialize;

use super::when;
use crate::model::id::RunId;
use crate::model::state::RunState;
use crate::queue::catalog::{Catalog, Version};
use crate::store::overview::StageRow;
use crate::store::runs::RunRow;
use crate::store::{Store, StoreError};

/// A run and its stages in file order.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) run: RunRow,
    pub(crate) version: Arc<Version>,
    pub(crate) stages: Vec<StageView>,
}

/// One stage of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StageView {
    pub(crate) name: String,
    pub(crate) fanned: bool,
    pub(crate) needs: Vec<String>,
    pub(crate) state: StageState,
    pub(crate) row: Option<StageRow>,
}

/// Where a stage of a run is, all its jobs taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StageState {
    /// Stages it needs are not done.
    Waiting,
    /// Its jobs wait for a worker.
    Ready,
    /// At least one of its jobs runs.
    Running,
    /// Its jobs wait for their due time.
    Scheduled,
    /// All of it is done.
    Done,
    /// Its dead letter was dismissed, which ended the run.
    Failed,
    /// A dead letter of it is pending.
    Dead,
    /// The run ended before it could.
    Cancelled,
}

impl Snapshot {
    /// Reads a run; `None` when there is no such run.
    pub(crate) async fn read(store: &Store, catalog: &Catalog, id: RunId) -> Result<Option<Snapshot>, StoreError> {
        let Some(run) = store.run(id).await? else { return Ok(None) };
        let version = catalog.version(store, run.version).await?;
        let fanned: Vec<i16> =
            (0i16..).zip(&version.workflow.stages).filter(|(_, s)| s.for_each.is_some()).map(|(n, _)| n).collect();
        let rows = store.stages(run.key, &fanned).await?;
        let stages = (0i16..).zip(&version.workflow.stages).map(|(number, stage)| {
            let row = rows.iter().find(|r| r.stage == number).cloned();
            let is_fanned = stage.for_each.is_some();
            StageView {
                name: stage.name.to_string(),
                fanned: is_fanned,
                needs: stage.needs.iter().map(|n| version.stage_name(n.0 as i16).to_string()).collect(),
                state: state(&run, number, is_fanned, row.as_ref()),
                row,
            }
        });
        let stages = stages.collect();
        Ok(Some(Snapshot { run, version, stages }))
    }

    /// Nothing more happens by itself: it has ended, or only its dead letters are left.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_live = |row: &StageRow| row.running + row.ready + row.scheduled > 0;
        let live = self.stages.iter().filter_map(|stage| stage.row.as_ref()).any(is_live);
        self.run.state.is_ended() || (self.run.state == RunState::Blocked && !live)
    }

    /// Name of the stage that failed the run.
    pub(crate) fn failed_stage(&self) -> Option<String> {
        self.run.failure.as_ref().map(|f| self.version.stage_name(f.stage).to_string())
    }
}

fn state(run: &RunRow, number: i16, fanned: bool, row: Option<&StageRow>) -> StageState {
    let failed = run.failure.as_ref().is_some_and(|f| f.stage == number);
    let complete = row.is_some_and(|r| if fanned { r.items.is_some_and(|items| r.done >= items) } else { r.done > 0 });
    match (run.state, row) {
        (RunState::Failed, _) if failed => StageState::Failed,
        (_, Some(_)) if complete => StageState::Done,
        (RunState::Failed | RunState::Done | RunState::Cancelled, _) => StageState::Cancelled,
        (RunState::Running | RunState::Blocked, Some(r)) if r.running > 0 => StageState::Running,
        (RunState::Running | RunState::Blocked, Some(r)) if r.ready > 0 => StageState::Ready,
        (RunState::Running | RunState::Blocked, Some(r)) if r.scheduled > 0 => StageState::Scheduled,
        (RunState::Running | RunState::Blocked, Some(r)) if r.dead > 0 => StageState::Dead,
        (RunState::Running | RunState::Blocked, Some(_) | None) => StageState::Waiting,
    }
}

impl StageView {
    /// What is to be said about it, after its name.
    pub(crate) fn words(&self) -> String {
        let row = self.row.as_ref();
        let items = row.filter(|_| self.fanned).and_then(|r| r.items.map(|n| format!("{} of {n} items", r.done)));
        let mut parts: Vec<String> = vec![self.state_words()];
        parts.extend(items.filter(|_| self.state != StageState::Waiting));
        if let Some(row) = row {
            if let (StageState::Running, Some(done), Some(of)) = (self.state, row.progress_done, row.progress_of) {
                parts.push(format!("{done} of {of}"));
            }
            if self.state == StageState::Running {
                parts.extend(row.progress_note.clone().filter(|n| !n.is_empty()));
            }
            if row.suspects > 0 {
                parts.push("a process died under it, so it runs alone".to_owned());
            }
            if row.limited > 0 {
                parts.push("waits for the limit of the stage".to_owned());
            }
            if row.attempt > 1 && !self.fanned {
                parts.push(format!("attempt {}", row.attempt));
            }
            if row.failures > 0 {
                let class = row.last_class.as_deref().unwrap_or("unknown");
                let times =
                    if row.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", row.failures) };
                parts.push(format!("{times}, last {class}"));
            }
            if let (Some(due), StageState::Scheduled | StageState::Running) = (row.due_at, self.state) {
                parts.push(format!("{} due from {}", row.scheduled, when::clock(due)));
            }
        }
        parts.join(" · ")
    }

    fn state_words(&self) -> String {
        match self.state {
            StageState::Waiting => format!("waiting for {}", self.needs.join(", ")),
            StageState::Ready => "ready".to_owned(),
            StageState::Running => "running".to_owned(),
            StageState::Scheduled => "waits for its retry".to_owned(),
            StageState::Done => match self.row.as_ref().and_then(|r| Some((r.started_at?, r.finished_at?))) {
                Some((start, end)) => format!("done in {}", when::span(end - start)),
                None => "done".to_owned(),
            },
            StageState::Failed => "failed".to_owned(),
            StageState::Dead => match self.row.as_ref().map_or(0, |row| row.dead) {
                1 => "1 dead letter".to_owned(),
                count => format!("{count} dead letters"),
            },
            StageState::Cancelled => "cancelled".to_owned(),
        }
    }

    /// One character for the live view.
    pub(crate) fn mark(&self) -> &'static str {
        match self.state {
            StageState::Waiting | StageState::Cancelled => "·",
            StageState::Ready => "○",
            StageState::Running => "▶",
            StageState::Scheduled => "⏲",
            StageState::Done => "✔",
            StageState::Failed | StageState::Dead => "✘",
        }
    }
}
