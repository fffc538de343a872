//! What a running stage knows about itself.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::model::id::RunId;
use crate::store::jobs::Progress;

/// The attempt a handler runs in. Cheap to clone; a handler may take it as an argument or not.
///
/// Logs written with `tracing` inside a handler carry run, stage, item, attempt and worker by themselves.
#[derive(Debug, Clone)]
pub struct StageContext {
    pub(crate) about: Arc<About>,
    pub(crate) cancellation: CancellationToken,
    pub(crate) progress: ProgressCell,
}

/// The fixed part.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) run: RunId,
    pub(crate) workflow: Arc<str>,
    pub(crate) stage: Arc<str>,
    pub(crate) item: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) worker: Arc<str>,
}

/// Progress on its way from the handler to the database; only the latest is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressCell(Arc<Mutex<Option<Progress>>>);

impl ProgressCell {
    fn set(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// What was reported since the last call.
    pub(crate) fn take(&self) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Longest progress note that is kept, in characters.
const NOTE_LIMIT: usize = 200;

impl StageContext {
    /// The run.
    pub fn run(&self) -> RunId {
        self.about.run
    }

    /// The workflow's name.
    pub fn workflow(&self) -> &str {
        &self.about.workflow
    }

    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.about.stage
    }

    /// The item of a fanned-out stage, from 0.
    pub fn item(&self) -> Option<u32> {
        self.about.item
    }

    /// Which try this is, from 1. A try that a shutdown cut short counts here, but not against the retries.
    pub fn attempt(&self) -> u32 {
        self.about.attempt
    }

    /// The name of the worker that runs it.
    pub fn worker(&self) -> &str {
        &self.about.worker
    }

    /// Reports `done` of `of`, with a few words. Shown to people about once a second; lost with a crash.
    pub fn progress(&self, done: u64, of: u64, message: impl Into<String>) {
        let message: String = message.into();
        let note = message.chars().filter(|c| !c.is_control()).take(NOTE_LIMIT).collect();
        self.progress.set(Progress { done, of, note });
    }

    /// The attempt's result will not be used: its worker shuts down, or its run ended. The handler itself is dropped
    /// at its next `.await`; this is for threads and tasks that it started.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Waits for [`StageContext::is_cancelled`].
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }
}
