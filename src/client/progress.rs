//! How far a run is.

use crate::model::state::ShownState;
use crate::view::snapshot::{Snapshot, StageState, StageView};

/// A run at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunProgress {
    /// State of the run.
    pub state: ShownState,
    /// Its stages, in the order of its file.
    pub stages: Vec<StageProgress>,
}

/// A stage of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StageProgress {
    /// Its name.
    pub stage: String,
    /// State of all its jobs together.
    pub state: StageState,
    /// Finished jobs: items of a fanned-out stage; at most one of another.
    pub done: i64,
    /// Those of them that were skipped.
    pub skipped: i64,
    /// Items of a fanned-out stage, once they are known.
    pub items: Option<i64>,
    /// Which round it is in, from 1, where it is done again until it is good enough.
    pub round: Option<u32>,
    /// Failed attempts so far.
    pub failures: i64,
    /// Progress that a running attempt has reported: done, and of how many.
    pub progress: Option<(i64, i64)>,
    /// The message it has reported with that.
    pub note: Option<String>,
}

impl RunProgress {
    pub(super) fn of(snapshot: &Snapshot) -> RunProgress {
        RunProgress { state: snapshot.run.shown, stages: snapshot.stages.iter().map(StageProgress::of).collect() }
    }
}

impl StageProgress {
    fn of(stage: &StageView) -> StageProgress {
        let row = stage.row.as_ref();
        StageProgress {
            stage: stage.name.clone(),
            state: stage.state,
            done: row.map_or(0, |row| row.done),
            skipped: row.map_or(0, |row| row.skipped),
            items: row.and_then(|row| row.items),
            round: stage.round.map(|round| round.number),
            failures: row.map_or(0, |row| row.failures),
            progress: row.and_then(|row| row.progress_done.zip(row.progress_of)),
            note: row.and_then(|row| row.progress_note.clone()).filter(|note| !note.is_empty()),
        }
    }
}
