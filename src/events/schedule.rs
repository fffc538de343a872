//! What becomes of the ticks of schedules, and decisions about them.

use super::TARGET;
use crate::store::schedules::Fired;

/// A worker has decided about a tick.
pub(crate) fn fired(fired: &Fired) {
    let Fired { workflow, schedule, outcome, run, said } = fired;
    let said = said.as_deref().unwrap_or_default();
    match (outcome.as_str(), run) {
        ("started", Some(run)) => {
            tracing::info!(target: TARGET, event = "schedule_started_run", workflow, schedule, %run, tick = said, "a schedule started a run");
        }
        ("paused", _) => {
            tracing::warn!(target: TARGET, event = "schedule_stopped", workflow, schedule, reason = said, "a schedule starts no more runs");
        }
        ("refused", _) => {
            tracing::warn!(target: TARGET, event = "schedule_refused", workflow, schedule, reason = said, "the run of a schedule could not start");
        }
        (outcome, _) => {
            tracing::info!(target: TARGET, event = "schedule_started_none", workflow, schedule, outcome, tick = said, "a tick of a schedule started no run");
        }
    }
}

pub(crate) fn paused(workflow: &str, schedule: &str, by: &str, reason: &str) {
    tracing::info!(target: TARGET, event = "schedule_paused", workflow, schedule, by, reason, "a schedule was paused");
}

pub(crate) fn resumed(workflow: &str, schedule: &str, by: &str) {
    tracing::info!(target: TARGET, event = "schedule_resumed", workflow, schedule, by, "a schedule goes on");
}

pub(crate) fn triggered(workflow: &str, schedule: &str, run: &dyn std::fmt::Display, by: &str) {
    tracing::info!(target: TARGET, event = "schedule_triggered", workflow, schedule, %run, by, "a run of a schedule was started by hand");
}
