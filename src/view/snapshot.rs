//! A run at one moment, as every face shows it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::when;
use crate::definitions::{Definition, Definitions};
use crate::model::id::{RunId, RunKey};
use crate::model::state::RunState;
use crate::store::overview::StageRow;
use crate::store::runs::RunRow;
use crate::store::why::RunWait;
use crate::store::{Store, StoreError};
use crate::workflow::quorum::AtLeast;
use crate::workflow::rounds::Group;

/// A stage that has run for longer may have no worker any more.
const RUNS_ON: TimeDelta = TimeDelta::seconds(5);

/// A run and its stages in file order.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) run: RunRow,
    pub(crate) definition: Arc<Definition>,
    pub(crate) stages: Vec<StageView>,
}

/// One stage of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StageView {
    pub(crate) name: String,
    pub(crate) fanned: bool,
    /// How many of its items must be done, where that is not all.
    pub(crate) at_least: Option<AtLeast>,
    /// Stages that it needs and that are not done.
    pub(crate) needs: Vec<String>,
    pub(crate) state: StageState,
    /// What its jobs wait for; what somebody must act on comes first.
    pub(crate) waits: Vec<RunWait>,
    pub(crate) row: Option<StageRow>,
    pub(crate) round: Option<RoundView>,
}

/// Which round a stage is in, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoundView {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) at_most: u32,
}

/// Where a stage of a run is, all its jobs taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
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
    /// Its jobs wait for something outside: a time, a signal, an answer.
    Awaiting,
    /// All of it is done.
    Done,
    /// Its condition did not hold, or it needs a stage that was skipped.
    Skipped,
    /// Its dead letter was dismissed, which ended the run.
    Failed,
    /// A dead letter of it is pending.
    Dead,
    /// The run ended before it could.
    Cancelled,
}

impl Snapshot {
    /// Reads a run; `None` when there is no such run.
    pub(crate) async fn read(
        store: &Store,
        definitions: &Definitions,
        id: RunId,
    ) -> Result<Option<Snapshot>, StoreError> {
        let Some(mut snapshot) = Snapshot::glance(store, definitions, id).await? else { return Ok(None) };
        let is_live = |row: &StageRow| row.is_live() || row.dead > 0;
        if snapshot.stages.iter().filter_map(|stage| stage.row.as_ref()).any(is_live) {
            snapshot.ask_why(store).await?;
        }
        Ok(Some(snapshot))
    }

    /// Asks what its jobs wait for: costs more than all the rest.
    pub(crate) async fn ask_why(&mut self, store: &Store) -> Result<(), StoreError> {
        let waits = store.run_waits(self.run.id).await?;
        for stage in &mut self.stages {
            stage.waits = waits.iter().filter(|wait| wait.stage == stage.name).cloned().collect();
        }
        Ok(())
    }

    /// Reads all of it but what its jobs wait for.
    pub(crate) async fn glance(
        store: &Store,
        definitions: &Definitions,
        id: RunId,
    ) -> Result<Option<Snapshot>, StoreError> {
        let Some(run) = store.run(id).await? else { return Ok(None) };
        let definition = definitions.get(store, run.version).await?;
        let fanned: Vec<i16> =
            (0i16..).zip(&definition.workflow.stages).filter(|(_, s)| s.for_each.is_some()).map(|(n, _)| n).collect();
        let rows = store.stages(run.key, &fanned).await?;
        let rounds = rounds(store, &definition, run.key).await?;
        let mut stages: Vec<StageView> = Vec::new();
        for (number, stage) in (0i16..).zip(&definition.workflow.stages) {
            let row = rows.iter().find(|r| r.stage == number).cloned();
            let (name, fanned) = (stage.name.to_string(), stage.for_each.is_some());
            let state = state(&run, &name, fanned, row.as_ref());
            let needs = stage.needs.iter().map(|n| definition.stage_name(n.0 as i16).to_string()).collect();
            let at_least = stage.quorum.as_ref().map(|quorum| quorum.at_least);
            let round = rounds.get(stages.len()).copied().flatten();
            stages.push(StageView { name, fanned, at_least, needs, state, waits: Vec::new(), row, round });
        }
        let done: Vec<String> =
            stages.iter().filter(|s| s.state.is_complete()).map(|stage| stage.name.clone()).collect();
        stages.iter_mut().for_each(|stage| stage.needs.retain(|need| !done.contains(need)));
        Ok(Some(Snapshot { run, definition, stages }))
    }

    /// What it waits for and somebody must act on.
    pub(crate) fn up_to_people(&self) -> impl Iterator<Item = &RunWait> {
        self.stages.iter().flat_map(|stage| &stage.waits).filter(|wait| wait.is_up_to_people())
    }

    /// Nothing more happens by itself: it has ended, or only its dead letters are left.
    pub(crate) fn is_at_rest(&self) -> bool {
        let live = self.stages.iter().filter_map(|stage| stage.row.as_ref()).any(StageRow::is_live);
        self.run.state.is_ended() || (self.run.state == RunState::Blocked && !live)
    }
}

/// Of each stage its round; nothing is asked where no stage has rounds.
async fn rounds(store: &Store, definition: &Definition, run: RunKey) -> Result<Vec<Option<RoundView>>, StoreError> {
    let groups = definition.workflow.groups();
    if groups.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let over = store.rounds_over(run).await?;
    let view = |group: &Group| {
        let over =
            over.iter().find(|(stage, _)| usize::try_from(*stage) == Ok(group.last.at())).map_or(0, |(_, over)| *over);
        let repeat = definition.workflow.stage(group.last).and_then(|last| last.repeat.as_ref());
        let at_most = repeat.map_or(0, |repeat| repeat.at_most);
        RoundView { number: u32::try_from(over).unwrap_or(u32::MAX).saturating_add(1), at_most }
    };
    Ok(groups.iter().map(|group| group.as_deref().map(view)).collect())
}

/// Whether the row says of jobs that they do not move: then it is asked why. What has begun just now is not asked about.
pub(crate) fn is_held(row: &StageRow) -> bool {
    let runs_on = |since: DateTime<Utc>| Utc::now() - since > RUNS_ON;
    row.ready + row.scheduled + row.waiting + row.dead > 0 || row.running > 0 && row.running_since.is_none_or(runs_on)
}

fn state(run: &RunRow, name: &str, fanned: bool, row: Option<&StageRow>) -> StageState {
    let failed = run.failure.as_ref().is_some_and(|f| f.stage == name);
    let complete = row.is_some_and(|r| if fanned { r.items.is_some_and(|items| r.done >= items) } else { r.done > 0 });
    match (run.state, row) {
        (RunState::Failed, _) if failed => StageState::Failed,
        (_, Some(row)) if complete && is_skipped(row, fanned) => StageState::Skipped,
        (_, Some(_)) if complete => StageState::Done,
        (RunState::Failed | RunState::Done | RunState::Cancelled, _) => StageState::Cancelled,
        (RunState::Running | RunState::Blocked, Some(r)) if r.running > 0 => StageState::Running,
        (RunState::Running | RunState::Blocked, Some(r)) if r.ready > 0 => StageState::Ready,
        (RunState::Running | RunState::Blocked, Some(r)) if r.scheduled > 0 => StageState::Scheduled,
        (RunState::Running | RunState::Blocked, Some(r)) if r.waiting > 0 => StageState::Awaiting,
        (RunState::Running | RunState::Blocked, Some(r)) if r.dead > 0 => StageState::Dead,
        (RunState::Running | RunState::Blocked, Some(_) | None) => StageState::Waiting,
    }
}

/// As a whole; items of it may be skipped each by itself.
fn is_skipped(row: &StageRow, fanned: bool) -> bool {
    row.skipped > 0 && (!fanned || row.items == Some(0))
}

impl StageState {
    /// Nothing of it is left.
    pub(crate) fn is_complete(self) -> bool {
        matches!(self, StageState::Done | StageState::Skipped)
    }
}

impl RoundView {
    /// One that was added by a retry is beyond those that the file allows.
    pub(crate) fn words(self) -> String {
        let RoundView { number, at_most } = self;
        if number > at_most { format!("round {number}") } else { format!("round {number} of {at_most}") }
    }
}

impl StageView {
    /// What is to be said about it, after its name.
    pub(crate) fn words(&self) -> String {
        let row = self.row.as_ref();
        let items = row.filter(|_| self.fanned).and_then(|row| self.items_in_words(row));
        let waits = self.waits_in_words();
        let says_it = match self.state {
            StageState::Ready | StageState::Scheduled | StageState::Awaiting => !waits.is_empty(),
            StageState::Running => !self.waits.iter().any(|wait| wait.reason == "running") && !waits.is_empty(),
            StageState::Waiting
            | StageState::Done
            | StageState::Skipped
            | StageState::Failed
            | StageState::Dead
            | StageState::Cancelled => false,
        };
        let mut parts: Vec<String> = if says_it { Vec::new() } else { vec![self.state_words()] };
        parts.extend(waits);
        parts.extend(items.filter(|_| !matches!(self.state, StageState::Waiting | StageState::Skipped)));
        if let Some(row) = row {
            if let (StageState::Running, Some(done), Some(of)) = (self.state, row.progress_done, row.progress_of) {
                parts.push(format!("{done} of {of}"));
            }
            if self.state == StageState::Running {
                parts.extend(row.progress_note.clone().filter(|n| !n.is_empty()));
            }
            parts.extend(self.round.filter(|round| round.number > 1).map(|round| round.words()));
            if row.attempt > 1 && !self.fanned {
                parts.push(format!("attempt {}", row.attempt));
            }
            // A retry says after what.
            if row.failures > 0 && !self.waits.iter().any(|wait| wait.reason == "retry") {
                let class = row.last_class.as_deref().unwrap_or("unknown");
                let times =
                    if row.failures == 1 { "1 failure".to_owned() } else { format!("{} failures", row.failures) };
                parts.push(format!("{times}, last {class}"));
            }
        }
        parts.join(" · ")
    }

    /// How many of its items must be done; `None` before it is split, and where that is all of them.
    pub(crate) fn needed(&self) -> Option<u32> {
        let items = self.row.as_ref()?.items?;
        Some(self.at_least?.of(u32::try_from(items).ok()?))
    }

    fn items_in_words(&self, row: &StageRow) -> Option<String> {
        let items = row.items?;
        let counted = |(count, word): (i64, &str)| if count > 0 { format!(", {count} {word}") } else { String::new() };
        let Some(needed) = self.needed() else {
            return Some(format!("{} of {items} items{}", row.done, counted((row.skipped, "skipped"))));
        };
        let skipped = row.skipped - row.tolerated - row.cancelled;
        let others = [(row.tolerated, "tolerated"), (row.cancelled, "cancelled"), (skipped, "skipped")].map(counted);
        Some(format!("at least {needed} of {items}; {} done{}", row.done - row.skipped, others.concat()))
    }

    /// What `why` says of its jobs, but for what its state says already.
    fn waits_in_words(&self) -> Vec<String> {
        let is_said = |wait: &&RunWait| matches!(wait.reason.as_str(), "running" | "stages" | "decision");
        let words = self.waits.iter().filter(|wait| !is_said(wait)).map(|wait| match wait.jobs {
            1 => when::here(&wait.why),
            jobs => format!("{jobs} {}", when::here(&wait.why)),
        });
        words.collect()
    }

    fn state_words(&self) -> String {
        match self.state {
            StageState::Waiting if self.needs.is_empty() => "waiting for branches under way".to_owned(),
            StageState::Waiting => format!("waiting for {}", self.needs.join(", ")),
            StageState::Ready => "ready".to_owned(),
            StageState::Running => "running".to_owned(),
            StageState::Scheduled => "scheduled".to_owned(),
            StageState::Awaiting => "waiting for something outside".to_owned(),
            StageState::Done => match self.row.as_ref().and_then(|r| Some((r.started_at?, r.finished_at?))) {
                Some((start, end)) => format!("done in {}", when::span(end - start)),
                None => "done".to_owned(),
            },
            StageState::Skipped => match self.row.as_ref().and_then(|row| row.skip_reason.as_deref()) {
                Some(reason) => format!("skipped: {reason}"),
                None => "skipped".to_owned(),
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
            StageState::Scheduled | StageState::Awaiting => "⏲",
            StageState::Done => "✔",
            StageState::Skipped => "–",
            StageState::Failed | StageState::Dead => "✘",
        }
    }
}
