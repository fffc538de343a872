//! Attempts and their jobs: started, ended, given up, lost.

use std::fmt::Display;
use std::time::Duration;

use super::TARGET;
use crate::model::artifact::in_a_line;
use crate::model::failure::Failure;

/// An attempt as the log names it.
pub(crate) struct Attempt<'a> {
    pub(crate) run: &'a dyn Display,
    /// `None` where nothing was read for the claim.
    pub(crate) workflow: Option<&'a str>,
    pub(crate) stage: &'a str,
    pub(crate) item: Option<u32>,
    pub(crate) attempt: u32,
    /// Who holds it, or held it.
    pub(crate) worker: &'a str,
    /// The trace that its run was started in, if it was.
    pub(crate) trace: Option<&'a str>,
}

macro_rules! tell {
    ($level:ident, $event:literal, $of:expr, [$($more:tt)*], $($text:tt)+) => {
        tracing::$level!(
            target: TARGET, event = $event, run = %$of.run, workflow = $of.workflow, stage = $of.stage, item = $of.item,
            attempt = $of.attempt, worker = $of.worker, trace = $of.trace, $($more)* $($text)+
        )
    };
}

impl Attempt<'_> {
    /// It has its slot and its inputs.
    pub(crate) fn started(&self) {
        tell!(debug, "attempt_started", self, [], "attempt started");
    }

    /// Its checkpoint is committed.
    pub(crate) fn done(&self) {
        tell!(debug, "attempt_done", self, [], "attempt done, its checkpoint is committed");
    }

    /// It was skipped; the reason, which may quote values, is in its checkpoint.
    pub(crate) fn skipped(&self) {
        tell!(debug, "attempt_skipped", self, [], "attempt skipped, the reason is committed");
    }

    /// It failed, and its job is tried again.
    pub(crate) fn retried(&self, failure: &Failure, wait: Duration) {
        tell!(warn, "attempt_retried", self, [class = %failure.class(), wait_s = wait.as_secs_f64(),],
              "attempt failed, due again: {}", in_a_line(failure.message()));
    }

    /// It failed, and its job is a dead letter.
    pub(crate) fn given_up(&self, class: &dyn Display, message: &str) {
        tell!(error, "job_given_up", self, [class = %class,], "job given up, its run is blocked: {}", in_a_line(message));
    }

    /// Its wait is on record, and its job is no longer claimed.
    pub(crate) fn waits(&self, kind: &dyn Display, until: Option<&str>) {
        tell!(debug, "attempt_waits", self, [kind = %kind, until,], "attempt waits ({kind}), and holds nothing meanwhile");
    }

    /// It failed, and its job is a dead letter that its run goes on without.
    pub(crate) fn tolerated(&self, class: &dyn Display, message: &str) {
        tell!(warn, "job_tolerated", self, [class = %class,], "job given up, its run goes on without it: {message}");
    }

    /// Its round was not good enough, and the next one has begun.
    pub(crate) fn ended_round(&self, why: &str) {
        tell!(info, "round_begun", self, [], "another round begins: {}", in_a_line(why));
    }

    /// It was stopped, and its job is for others to claim.
    pub(crate) fn released(&self) {
        tell!(info, "attempt_released", self, [], "attempt stopped, its job is handed back");
    }

    /// It never began: the claim went back.
    pub(crate) fn returned(&self) {
        tell!(debug, "claim_returned", self, [], "claim handed back before its attempt began");
    }

    /// Its claim held no longer when it ended.
    pub(crate) fn fenced(&self) {
        tell!(warn, "attempt_fenced", self, [], "the claim no longer held; this attempt changed nothing");
    }

    /// Its run ended, or its stage is done again, while it ran.
    pub(crate) fn cancelled(&self) {
        tell!(
            info,
            "attempt_cancelled",
            self,
            [],
            "attempt cancelled: its run ended, enough others are done, its stage is done again, or it was given up by hand"
        );
    }

    /// Its worker was gone. Where that died, the job is suspected, and waits to run alone.
    pub(crate) fn lost(&self, suspected: bool, cause: &str) {
        tell!(warn, "attempt_lost", self, [suspected,], "attempt lost: {cause}");
    }

    /// Postgres refused what it ended with. By that no state has changed, so that it is no event.
    pub(crate) fn refused(&self, error: &dyn Display) {
        let Attempt { run, workflow, stage, item, attempt, worker, trace } = self;
        tracing::error!(%run, workflow, stage, item, attempt, worker, trace,
                        "the database refused the end of an attempt: {error}");
    }
}
