//! Warm programs: started, ended.

use super::TARGET;

pub(crate) fn started(workflow: &str, stage: &str, worker: &str, took_ms: u64) {
    tracing::info!(target: TARGET, event = "program_started", workflow, stage, worker, took_ms,
                   "a warm program of this stage is ready");
}

/// It was not ready in time, or ended before it was.
pub(crate) fn not_started(workflow: &str, stage: &str, worker: &str, again_s: u64, why: &str) {
    tracing::warn!(target: TARGET, event = "program_not_started", workflow, stage, worker, again_s,
                   "a warm program of this stage did not start, and is not started again for {again_s} s: {why}");
}

pub(crate) fn ended(workflow: &str, stage: &str, worker: &str, jobs: u64, why: &str) {
    tracing::info!(target: TARGET, event = "program_ended", workflow, stage, worker, jobs,
                   "a warm program of this stage was ended: {why}");
}

/// It ended by itself, or had to be ended for what it did.
pub(crate) fn broken(workflow: &str, stage: &str, worker: &str, jobs: u64, why: &str) {
    tracing::warn!(target: TARGET, event = "program_broken", workflow, stage, worker, jobs,
                   "a warm program of this stage was lost: {why}");
}
