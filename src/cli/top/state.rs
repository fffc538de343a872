//! What the screen shows, and what is chosen on it. Pure.

use std::time::Duration;

use sqlx::types::Uuid;

use super::selection::Selection;
use crate::model::id::RunId;
use crate::store::top::{PendingLetter, TopLook};
use crate::store::why::{Waiting, WaitingGroup};

/// Everything that the picture is drawn from.
#[derive(Debug, Clone, Default)]
pub(super) struct Top {
    /// The last look that was answered.
    pub(super) look: Option<TopLook>,
    /// Why the last one was not.
    pub(super) trouble: Option<String>,
    /// How old the picture is.
    pub(super) age: Duration,
    pub(super) panel: Panel,
    pub(super) group: Selection<GroupName>,
    pub(super) letter: Selection<Uuid>,
    pub(super) over: Over,
    /// What became of the last key.
    pub(super) said: Option<Said>,
}

/// Workflow, stage and reason.
pub(super) type GroupName = (String, String, String);

/// Where up and down move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Panel {
    Queue,
    #[default]
    Letters,
}

/// What lies over the panels.
#[derive(Debug, Clone, Default)]
pub(super) enum Over {
    #[default]
    Nothing,
    Help,
    /// A reason is asked for, and typed so far.
    Prompt {
        ask: Ask,
        text: String,
    },
    Why(WhyRun),
}

/// What is done for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Dismiss { letter: Uuid, run: RunId },
    Cancel { run: RunId },
    Pause { workflow: String },
}

/// What one run waits for.
#[derive(Debug, Clone)]
pub(super) struct WhyRun {
    pub(super) run: RunId,
    /// `None` until the database has answered.
    pub(super) rows: Option<Vec<Waiting>>,
    /// Lines that are above the window.
    pub(super) above: u16,
}

/// A sentence about the last key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Done(String),
    Refused(String),
}

impl Top {
    /// A look was answered.
    pub(super) fn seen(&mut self, mut look: TopLook) {
        show_idle_pauses(&mut look);
        self.trouble = None;
        self.age = Duration::ZERO;
        self.look = Some(look);
        let (groups, letters) = (self.group_names(), self.letter_ids());
        self.group.settle(&groups);
        self.letter.settle(&letters);
    }

    /// What a run waits for, if that is still wanted.
    pub(super) fn told_why(&mut self, run: RunId, rows: Vec<Waiting>) {
        if let Over::Why(why) = &mut self.over
            && why.run == run
        {
            why.rows = Some(rows);
            why.above = why.above.min(why.last_line());
        }
    }

    pub(super) fn groups(&self) -> &[WaitingGroup] {
        self.look.as_ref().map_or(&[], |look| &look.queue)
    }

    pub(super) fn letters(&self) -> &[PendingLetter] {
        self.look.as_ref().map_or(&[], |look| &look.letters)
    }

    /// The chosen one, when that panel is the one in use.
    pub(super) fn chosen_letter(&self) -> Option<&PendingLetter> {
        let place = self.letter.place().filter(|_| self.panel == Panel::Letters);
        place.and_then(|place| self.letters().get(place))
    }

    pub(super) fn chosen_group(&self) -> Option<&WaitingGroup> {
        let place = self.group.place().filter(|_| self.panel == Panel::Queue);
        place.and_then(|place| self.groups().get(place))
    }

    /// That of the chosen row, in whichever panel.
    pub(super) fn chosen_workflow(&self) -> Option<&str> {
        let of_letter = self.chosen_letter().map(|letter| letter.workflow.as_str());
        of_letter.or_else(|| self.chosen_group().map(|group| group.workflow.as_str()))
    }

    /// Up or down in the panel in use.
    pub(super) fn step(&mut self, down: bool) {
        match self.panel {
            Panel::Queue => {
                let names = self.group_names();
                self.group.step(&names, down);
            }
            Panel::Letters => {
                let ids = self.letter_ids();
                self.letter.step(&ids, down);
            }
        }
    }

    fn group_names(&self) -> Vec<GroupName> {
        let name = |group: &WaitingGroup| (group.workflow.clone(), group.stage.clone(), group.reason.clone());
        self.groups().iter().map(name).collect()
    }

    fn letter_ids(&self) -> Vec<Uuid> {
        self.letters().iter().map(|letter| letter.id).collect()
    }
}

impl WhyRun {
    /// Two lines tell each thing.
    pub(super) fn last_line(&self) -> u16 {
        let lines = self.rows.as_ref().map_or(0, |rows| rows.len() * 2);
        u16::try_from(lines.saturating_sub(1)).unwrap_or(u16::MAX)
    }
}

/// A paused workflow of which nothing waits has no row in the queue; it gets one, so that it can be chosen and resumed.
fn show_idle_pauses(look: &mut TopLook) {
    let TopLook { queue, pauses, .. } = look;
    for pause in pauses.iter().filter(|pause| pause.stage.is_none()) {
        let Some(workflow) = &pause.workflow else { continue };
        if !queue.iter().any(|group| group.workflow == *workflow) {
            queue.push(WaitingGroup {
                workflow: workflow.clone(),
                stage: "-".to_owned(),
                reason: "paused".to_owned(),
                jobs: 0,
                oldest_since: Some(pause.paused_at),
                why: format!("wait; the workflow is paused by {}: \"{}\"", pause.paused_by, pause.reason),
                moves: "piton resume".to_owned(),
            });
        }
    }
}
