//! What the screen shows, and what is selected on it. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Uuid;

use super::selection::Selection;
use crate::model::id::RunId;
use crate::store::pauses::Pause;
use crate::store::top::{Cause, PendingLetter, TopLook};
use crate::store::why::{RunWait, WaitingGroup};

/// Everything that the picture is drawn from.
#[derive(Debug, Clone, Default)]
pub(super) struct Top {
    /// What commands begin with.
    pub(super) program: String,
    /// The last look that was answered.
    pub(super) look: Option<TopLook>,
    /// Why the last one was not.
    pub(super) trouble: Option<String>,
    /// How old the picture is.
    pub(super) age: Duration,
    pub(super) panel: Panel,
    pub(super) group: Selection<GroupName>,
    pub(super) cause: Selection<CauseName>,
    /// The cause whose letters are shown instead of the panels.
    pub(super) open: Option<OpenCause>,
    pub(super) over: Over,
    /// What became of the last key.
    pub(super) said: Option<Said>,
}

/// Workflow, stage and reason.
pub(super) type GroupName = (String, String, String);

/// Dead letters of one stage that were given up for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CauseName {
    pub(super) workflow: String,
    pub(super) stage: String,
    pub(super) fingerprint: String,
}

/// Where up and down move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Panel {
    Queue,
    #[default]
    Causes,
}

/// The letters of a cause.
#[derive(Debug, Clone)]
pub(super) struct OpenCause {
    pub(super) name: CauseName,
    /// `None` until the database has answered.
    pub(super) letters: Option<Vec<PendingLetter>>,
    pub(super) letter: Selection<Uuid>,
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
    /// A yes is asked for.
    Confirm(Many),
    Why(WhyRun),
}

/// What is done for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Dismiss { letter: Uuid, run: RunId },
    DismissAll(Many),
    Cancel { run: RunId },
    Pause { workflow: String },
}

/// All letters of a cause, and how many there were when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Many {
    pub(super) cause: CauseName,
    pub(super) letters: i64,
    pub(super) runs: i64,
}

/// What one run waits for.
#[derive(Debug, Clone)]
pub(super) struct WhyRun {
    pub(super) run: RunId,
    /// `None` until the database has answered.
    pub(super) rows: Option<Vec<RunWait>>,
    /// Things that are above the window.
    pub(super) above: usize,
}

/// A sentence about the last key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Done(String),
    Refused(String),
}

/// What stands for every workflow, or every stage, in a row about a pause.
pub(super) const ALL: &str = "*";

impl Top {
    pub(super) fn new(program: String) -> Top {
        Top { program, ..Top::default() }
    }

    /// A look was answered.
    pub(super) fn seen(&mut self, mut look: TopLook) {
        put_in_order(&mut look);
        self.trouble = None;
        self.age = Duration::ZERO;
        self.look = Some(look);
        let (groups, causes) = (self.group_names(), self.cause_names());
        self.group.settle(&groups);
        self.cause.settle(&causes);
    }

    /// What a run waits for, if that is still wanted.
    pub(super) fn told_why(&mut self, run: RunId, rows: Vec<RunWait>) {
        if let Over::Why(why) = &mut self.over
            && why.run == run
        {
            why.rows = Some(rows);
            why.above = why.above.min(why.last());
        }
    }

    /// The letters of a cause, if they are still wanted.
    pub(super) fn told_letters(&mut self, cause: &CauseName, letters: Vec<PendingLetter>) {
        if let Some(open) = self.open.as_mut().filter(|open| open.name == *cause) {
            open.letter.settle(&ids(&letters));
            open.letters = Some(letters);
        }
    }

    pub(super) fn groups(&self) -> &[WaitingGroup] {
        self.look.as_ref().map_or(&[], |look| &look.queue)
    }

    pub(super) fn causes(&self) -> &[Cause] {
        self.look.as_ref().map_or(&[], |look| &look.causes)
    }

    /// The chosen one, when that panel is the one in use.
    pub(super) fn chosen_cause(&self) -> Option<&Cause> {
        let place = self.cause.place().filter(|_| self.panel == Panel::Causes);
        place.and_then(|place| self.causes().get(place))
    }

    pub(super) fn chosen_group(&self) -> Option<&WaitingGroup> {
        let place = self.group.place().filter(|_| self.panel == Panel::Queue);
        place.and_then(|place| self.groups().get(place))
    }

    /// Workflow and stage of the chosen row, in whichever panel.
    pub(super) fn chosen_stage(&self) -> Option<(&str, &str)> {
        let of_cause = self.chosen_cause().map(|cause| (cause.workflow.as_str(), cause.stage.as_str()));
        of_cause.or_else(|| self.chosen_group().map(|group| (group.workflow.as_str(), group.stage.as_str())))
    }

    /// The pause that holds the stage, the closest one first, as the database has it.
    pub(super) fn pause_of(&self, workflow: &str, stage: &str) -> Option<&Pause> {
        let pauses = self.look.as_ref().map_or(&[][..], |look| &look.pauses);
        let of = |workflow: Option<&str>, stage: Option<&str>| {
            pauses.iter().find(|pause| pause.workflow.as_deref() == workflow && pause.stage.as_deref() == stage)
        };
        of(Some(workflow), Some(stage)).or_else(|| of(Some(workflow), None)).or_else(|| of(None, None))
    }

    /// Up or down in the panel in use.
    pub(super) fn step(&mut self, down: bool) {
        match self.panel {
            Panel::Queue => {
                let names = self.group_names();
                self.group.step(&names, down);
            }
            Panel::Causes => {
                let names = self.cause_names();
                self.cause.step(&names, down);
            }
        }
    }

    /// How long ago that was, by the database's clock, as both ends are.
    pub(super) fn since(&self, at: DateTime<Utc>) -> TimeDelta {
        self.look.as_ref().map_or(TimeDelta::zero(), |look| look.runs.at - at)
    }

    fn group_names(&self) -> Vec<GroupName> {
        let name = |group: &WaitingGroup| (group.workflow.clone(), group.stage.clone(), group.reason.clone());
        self.groups().iter().map(name).collect()
    }

    fn cause_names(&self) -> Vec<CauseName> {
        self.causes().iter().map(CauseName::of).collect()
    }
}

impl CauseName {
    pub(super) fn of(cause: &Cause) -> CauseName {
        let (workflow, stage, fingerprint) = (&cause.workflow, &cause.stage, &cause.fingerprint);
        CauseName { workflow: workflow.clone(), stage: stage.clone(), fingerprint: fingerprint.clone() }
    }
}

impl OpenCause {
    pub(super) fn of(name: CauseName) -> OpenCause {
        OpenCause { name, letters: None, letter: Selection::default() }
    }

    pub(super) fn chosen(&self) -> Option<&PendingLetter> {
        self.letter.place().and_then(|place| self.letters.as_ref()?.get(place))
    }

    pub(super) fn step(&mut self, down: bool) {
        self.letter.step(&ids(self.letters.as_deref().unwrap_or_default()), down);
    }
}

impl WhyRun {
    /// The place of the last thing.
    pub(super) fn last(&self) -> usize {
        self.rows.as_ref().map_or(0, |rows| rows.len().saturating_sub(1))
    }
}

fn ids(letters: &[PendingLetter]) -> Vec<Uuid> {
    letters.iter().map(|letter| letter.id).collect()
}

/// What stands still until somebody does something comes first: a small terminal shows a few rows.
fn put_in_order(look: &mut TopLook) {
    show_idle_pauses(look);
    look.queue.sort_by_key(|group| !stands(group));
}

/// Nothing moves it but a command.
pub(super) fn stands(group: &WaitingGroup) -> bool {
    group.moves.starts_with("piton ")
}

/// What is paused and of which nothing waits has no row in the queue; it gets one, so that it can be chosen and resumed.
fn show_idle_pauses(look: &mut TopLook) {
    let TopLook { queue, pauses, .. } = look;
    for pause in pauses.iter() {
        let is_shown = |group: &WaitingGroup| {
            let of_workflow = pause.workflow.as_ref().is_none_or(|workflow| *workflow == group.workflow);
            group.reason == "paused" && of_workflow && pause.stage.as_ref().is_none_or(|stage| *stage == group.stage)
        };
        if !queue.iter().any(is_shown) {
            queue.push(idle(pause));
        }
    }
}

fn idle(pause: &Pause) -> WaitingGroup {
    let (workflow, stage) = (pause.workflow.as_deref().unwrap_or(ALL), pause.stage.as_deref().unwrap_or(ALL));
    let (what, moves) = match (&pause.workflow, &pause.stage) {
        (None, _) => ("everything", "piton resume --everything".to_owned()),
        (Some(workflow), None) => ("the workflow", format!("piton resume {workflow}")),
        (Some(workflow), Some(stage)) => ("the stage", format!("piton resume {workflow} --stage {stage}")),
    };
    WaitingGroup {
        workflow: workflow.to_owned(),
        stage: stage.to_owned(),
        reason: "paused".to_owned(),
        jobs: 0,
        oldest_since: Some(pause.paused_at),
        why: format!("{what} is paused by {}: \"{}\"", pause.paused_by, pause.reason),
        moves,
    }
}
