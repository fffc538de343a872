//! Decisions about runs and queues on the command line, and runs ended by their deadlines.

use std::fmt::Display;

use super::TARGET;

pub(crate) fn cancelled(run: &dyn Display, by: &str) {
    tracing::info!(target: TARGET, event = "run_cancelled", %run, by, "run cancelled");
}

pub(crate) fn signalled(run: &dyn Display, signal: &str, by: &str) {
    tracing::info!(target: TARGET, event = "signal_given", %run, signal, by, "a signal was given");
}

pub(crate) fn woken(run: &dyn Display, stage: &str, by: &str) {
    tracing::info!(target: TARGET, event = "wait_woken", %run, stage, by, "a sleep was ended");
}

pub(crate) fn batch_started(batch: &str, workflow: &str, items: impl TryInto<i64>, by: &str) {
    let items = items.try_into().unwrap_or(i64::MAX);
    tracing::info!(target: TARGET, event = "batch_started", batch, workflow, items, by, "batch started");
}

pub(crate) fn batch_cancelled(batch: &str, by: &str) {
    tracing::info!(target: TARGET, event = "batch_cancelled", batch, by, "batch cancelled");
}

pub(crate) fn deployed(workflow: &str, version: &str, by: &str) {
    tracing::info!(target: TARGET, event = "workflow_deployed", workflow, version, by, "this version is the current one now");
}

pub(crate) fn rolled_back(workflow: &str, version: &str, by: &str) {
    tracing::info!(target: TARGET, event = "workflow_rolled_back", workflow, version, by, "this version is the current one again");
}

pub(crate) fn paused(workflow: Option<&str>, stage: Option<&str>, by: &str) {
    tracing::info!(target: TARGET, event = "queue_paused", workflow, stage, by, "paused, nothing of it begins any more");
}

pub(crate) fn resumed(workflow: Option<&str>, stage: Option<&str>, by: &str) {
    tracing::info!(target: TARGET, event = "queue_resumed", workflow, stage, by, "resumed, its jobs are claimed again");
}
