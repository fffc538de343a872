//! Decisions about dead letters on the command line and through the admin API. Decisions in SQL are recorded in the table
//! alone.

use std::fmt::Display;

use super::TARGET;

/// A dead letter as the log names it.
pub(crate) struct DeadLetter<'a> {
    pub(crate) dead_letter: &'a dyn Display,
    pub(crate) run: &'a dyn Display,
    pub(crate) workflow: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) item: Option<i32>,
    pub(crate) class: &'a str,
    /// Who decided.
    pub(crate) by: &'a str,
}

macro_rules! tell {
    ($event:literal, $of:expr, $text:literal) => {
        tracing::info!(
            target: TARGET, event = $event, dead_letter = %$of.dead_letter, run = %$of.run, workflow = $of.workflow,
            stage = $of.stage, item = $of.item, class = $of.class, by = $of.by, $text
        )
    };
}

impl DeadLetter<'_> {
    pub(crate) fn retried(&self) {
        tell!("dead_letter_retried", self, "dead letter retried, its job goes on");
    }

    pub(crate) fn dismissed(&self) {
        tell!("dead_letter_dismissed", self, "dead letter dismissed, its run has failed");
    }

    /// A live job was given up by hand.
    pub(crate) fn forced(&self) {
        tell!("dead_letter_forced", self, "job given up by hand, its run is blocked");
    }
}
