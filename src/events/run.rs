//! Runs: started and done. The event of the job that was given up says that a run is blocked; the event of the dead letter,
//! that it has failed or goes on.

use std::fmt::Display;

use super::TARGET;

/// A run as the log names it.
pub(crate) struct Run<'a> {
    pub(crate) run: &'a dyn Display,
    pub(crate) workflow: Option<&'a str>,
    /// The worker that begins or ends it.
    pub(crate) worker: &'a str,
    /// The trace that it was started in, if it was.
    pub(crate) trace: Option<&'a str>,
}

impl Run<'_> {
    /// A worker begins its first job. Whoever started it may have done so in SQL, where nobody logs.
    pub(crate) fn started(&self) {
        let Run { run, workflow, worker, trace } = self;
        tracing::debug!(target: TARGET, event = "run_started", %run, workflow, worker, trace, "run started");
    }

    /// Every stage has its checkpoint.
    pub(crate) fn done(&self) {
        let Run { run, workflow, worker, trace } = self;
        tracing::debug!(target: TARGET, event = "run_done", %run, workflow, worker, trace, "run done");
    }
}
