//! The live tree on a terminal: one line per stage, redrawn in place.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::follow::{Follower, opening};
use crate::cli::output::errln;
use crate::view::snapshot::{Snapshot, StageState, StageView};
use crate::view::when;

/// Draws on standard error, so that standard output holds the result alone.
pub(crate) struct LiveTree {
    bars: MultiProgress,
    lines: Mutex<Vec<ProgressBar>>,
}

impl LiveTree {
    pub(crate) fn new() -> LiveTree {
        LiveTree { bars: MultiProgress::new(), lines: Mutex::default() }
    }
}

impl Follower for LiveTree {
    fn begin(&self, snapshot: &Snapshot, resumed: bool) {
        self.say(&opening(snapshot, resumed));
        let depths = depths(snapshot);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for (stage, depth) in snapshot.stages.iter().zip(depths) {
            let bar = self.bars.add(ProgressBar::new(1));
            let indent = "  ".repeat(depth + 1);
            if let Ok(style) = ProgressStyle::with_template(&format!("{indent}{{prefix}} {{wide_msg}}")) {
                bar.set_style(style);
            }
            bar.set_prefix(stage.mark());
            bar.enable_steady_tick(Duration::from_millis(200));
            lines.push(bar);
        }
        drop(lines);
        self.change(snapshot);
    }

    fn change(&self, snapshot: &Snapshot) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for (stage, bar) in snapshot.stages.iter().zip(lines.iter()) {
            bar.set_prefix(stage.mark());
            bar.set_message(format!("{}  {}{}", stage.name, stage.words(), countdown(stage)));
        }
    }

    fn end(&self, snapshot: &Snapshot) {
        self.change(snapshot);
        for bar in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bar.abandon();
        }
    }

    fn say(&self, line: &str) {
        if self.bars.println(line).is_err() {
            errln!("{line}");
        }
    }
}

/// How long a waiting stage still waits.
fn countdown(stage: &StageView) -> String {
    let due = stage.row.as_ref().and_then(|r| r.due_at).filter(|_| stage.state == StageState::Scheduled);
    due.map_or_else(String::new, |at| format!(" (in {})", when::span(at - chrono::Utc::now())))
}

/// How deep a stage stands: one step below the deepest stage it needs.
fn depths(snapshot: &Snapshot) -> Vec<usize> {
    let stages = &snapshot.definition.workflow.stages;
    let mut depths = vec![0; stages.len()];
    for index in snapshot.definition.workflow.topological() {
        let at = usize::from(index.0);
        depths[at] = stages[at].needs.iter().map(|n| depths[usize::from(n.0)] + 1).max().unwrap_or(0);
    }
    depths
}
