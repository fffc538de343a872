//! What a simulation found, for people and programs.

use std::fmt;

use serde::Serialize;

use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::replay::{Failed, JobEnd};
use crate::store::failures::FailureRow;

/// Jobs that are listed; the others are counted.
const LISTED: usize = 20;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    workflow: String,
    lines: Vec<Line>,
    /// Jobs that something would have become of that did not.
    changed: Vec<ChangedJob>,
    /// Jobs of stages that the changed file no longer has.
    pub(super) without_stage: u32,
}

/// Jobs of one stage whose last failure was of one class.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    stage: String,
    class: FailureClass,
    /// Failures that were followed by another attempt, and jobs among those that were done in the end.
    retried: u32,
    recovered: u32,
    dead: u32,
    /// Dead jobs that would have been tried again, and how often at most.
    tried_again: u32,
    more_attempts: u64,
    /// Jobs that would have been given up sooner, those among them that were done in the end, and attempts not made.
    given_up: u32,
    lost: u32,
    fewer_attempts: u64,
    #[serde(skip)]
    more: Vec<u32>,
    /// Dead jobs that would have been done by now, if further retries go as well as those on record; none without any.
    saved: Option<f64>,
}

/// What would have been otherwise for a job.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) more_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fewer_attempts: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ChangedJob {
    run: RunId,
    stage: String,
    item: Option<i32>,
    class: FailureClass,
    was_done: bool,
    #[serde(flatten)]
    how: Changed,
}

impl Report {
    pub(super) fn new(workflow: &str) -> Report {
        Report { workflow: workflow.to_owned(), lines: Vec::new(), changed: Vec::new(), without_stage: 0 }
    }

    pub(super) fn line(&mut self, stage: &str, class: FailureClass) -> &mut Line {
        let at = self.lines.iter().position(|line| line.stage == stage && line.class == class);
        let at = at.unwrap_or_else(|| {
            self.lines.push(Line::new(stage, class));
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    pub(super) fn estimate(&mut self) {
        self.lines.iter_mut().for_each(Line::estimate);
    }

    pub(super) fn job(&mut self, last: &FailureRow, stage: &str, class: FailureClass, end: JobEnd, how: Changed) {
        let (run, item) = (last.run, Some(last.item).filter(|item| *item >= 0));
        let (stage, was_done) = (stage.to_owned(), end == JobEnd::Done);
        self.changed.push(ChangedJob { run, stage, item, class, was_done, how });
    }

    fn sum(&self, of: impl Fn(&Line) -> u64) -> u64 {
        self.lines.iter().map(of).sum()
    }
}

impl Line {
    fn new(stage: &str, class: FailureClass) -> Line {
        Line {
            stage: stage.to_owned(),
            class,
            retried: 0,
            recovered: 0,
            dead: 0,
            tried_again: 0,
            more_attempts: 0,
            given_up: 0,
            lost: 0,
            fewer_attempts: 0,
            more: Vec::new(),
            saved: None,
        }
    }

    pub(super) fn count(&mut self, failures: &[Failed], end: JobEnd) {
        let count = u32::try_from(failures.len()).unwrap_or(u32::MAX);
        match end {
            JobEnd::Dead => {
                self.dead += 1;
                self.retried += count - 1;
            }
            JobEnd::Done => {
                self.recovered += 1;
                self.retried += count;
            }
            JobEnd::Open => self.retried += count - 1,
        }
    }

    pub(super) fn goes_on(&mut self, more: u32) {
        self.tried_again += 1;
        self.more_attempts += u64::from(more);
        self.more.push(more);
    }

    pub(super) fn given_up(&mut self, fewer: u32, end: JobEnd) {
        self.given_up += 1;
        self.lost += u32::from(end == JobEnd::Done);
        self.fewer_attempts += u64::from(fewer);
    }

    /// What the further retries come to, once all that is on record is counted.
    fn estimate(&mut self) {
        let Some(success) = self.success().filter(|_| !self.more.is_empty()) else { return };
        let goes_well = |more: &u32| 1.0 - (1.0 - success).powi(i32::try_from(*more).unwrap_or(i32::MAX));
        self.saved = Some(self.more.iter().map(goes_well).sum());
    }

    /// The share of retries on record that went well.
    fn success(&self) -> Option<f64> {
        (self.retried > 0).then(|| f64::from(self.recovered) / f64::from(self.retried))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return writeln!(
                f,
                "No failures of workflow `{}` are on record; --since looks further back.",
                self.workflow
            );
        }
        writeln!(
            f,
            "{:<20}  {:<20}  {:>7}  {:>9}  {:>5}  {:>11}  {:>10}  {:>8}",
            "stage", "last failure", "retries", "went well", "dead", "tried again", "attempts", "given up"
        )?;
        for line in &self.lines {
            let attempts = format!("+{} -{}", line.more_attempts, line.fewer_attempts);
            let success = line.success().map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
            writeln!(
                f,
                "{:<20}  {:<20}  {:>7}  {success:>9}  {:>5}  {:>11}  {attempts:>10}  {:>8}",
                line.stage, line.class, line.retried, line.dead, line.tried_again, line.given_up
            )?;
        }
        writeln!(f)?;
        self.say_what_is_won(f)?;
        self.say_what_is_lost(f)?;
        if self.without_stage > 0 {
            writeln!(f, "{} jobs are of stages that the file does not have.", self.without_stage)?;
        }
        self.list(f)
    }
}

impl Report {
    fn say_what_is_won(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dead, again) = (self.sum(|line| line.dead.into()), self.sum(|line| line.tried_again.into()));
        write!(f, "Of {dead} dead jobs, {again} would have been tried again")?;
        if again == 0 {
            return writeln!(f, ".");
        }
        write!(f, ", with up to {} attempts more", self.sum(|line| line.more_attempts))?;
        match self.lines.iter().filter_map(|line| line.saved).reduce(|a, b| a + b) {
            Some(saved) => {
                writeln!(f, "; if these go as well as the retries on record, about {saved:.0} would be saved.")
            }
            None => writeln!(f, "; no retry on record tells how well these would go."),
        }
    }

    fn say_what_is_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given_up = self.sum(|line| line.given_up.into());
        if given_up == 0 {
            return Ok(());
        }
        let (lost, fewer) = (self.sum(|line| line.lost.into()), self.sum(|line| line.fewer_attempts));
        writeln!(
            f,
            "{given_up} jobs would have been given up sooner, with {fewer} attempts less; {lost} of them were done in the end."
        )
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for job in self.changed.iter().take(LISTED) {
            let item = job.item.map_or_else(String::new, |item| format!(" item {item}"));
            let what = match (job.how.more_attempts, job.was_done) {
                (Some(more), _) => format!("would be tried again, up to {more} times"),
                (None, true) => "would have been given up, and was done".to_owned(),
                (None, false) => "would have been given up sooner".to_owned(),
            };
            writeln!(f, "  {}  {}{item}  {}: {what}", job.run, job.stage, job.class)?;
        }
        match self.changed.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more; --json lists them all"),
        }
    }
}
