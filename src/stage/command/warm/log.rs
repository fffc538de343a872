//! Lines of warm programs in the worker's log.

use super::message::Log;
use super::origin::Origin;
use crate::stage::secrets::Secrets;

/// Filters know these lines by it.
const TARGET: &str = "piton::program";
/// Bytes of a line.
const LONGEST: usize = 4 * 1024;

/// Of a job: the span says which.
pub(super) fn of_a_job(log: &Log, secrets: &Secrets) {
    let message = shown(log, secrets);
    match log.level {
        tracing::Level::ERROR => tracing::error!(target: TARGET, "{message}"),
        tracing::Level::WARN => tracing::warn!(target: TARGET, "{message}"),
        tracing::Level::INFO => tracing::info!(target: TARGET, "{message}"),
        _ => tracing::debug!(target: TARGET, "{message}"),
    }
}

/// Of no job, as while it loads.
pub(super) fn between_jobs(origin: &Origin, log: &Log, secrets: &Secrets) {
    let Origin { workflow, stage, worker, .. } = origin;
    let span = tracing::info_span!("warm", workflow = &**workflow, stage = &**stage, worker = &**worker);
    span.in_scope(|| of_a_job(log, secrets));
}

fn shown(log: &Log, secrets: &Secrets) -> String {
    let line: String = log.message.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    secrets.hide_in_beginning(&line, true, LONGEST)
}
