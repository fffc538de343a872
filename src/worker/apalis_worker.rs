//! The apalis worker: the layers that a task passes through, and how it is stopped.

use std::time::Duration;

use apalis::prelude::*;
use tokio::task::JoinHandle;

use super::WorkerSettings;
use crate::queue::backend::Queue;
use crate::queue::run_stage::{RunStage, panicked};
use crate::queue::time_limit::TimeLimitLayer;

/// Ends when the worker has stopped.
pub(super) type Handle = JoinHandle<Result<(), apalis_core::error::WorkerError>>;

/// Between two requests to stop.
const TELL_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn spawn(settings: &WorkerSettings, service: RunStage, queue: Queue) -> (WorkerContext, Handle) {
    let context = WorkerContext::new(&settings.name);
    let worker = WorkerBuilder::new(context.clone())
        .backend(queue)
        // No limit of its own: each task has its slot before it gets here (`queue/slots.rs`). And this catches what panics before a
        // handler is on its own task, whose panics are failures already.
        .layer(apalis::layers::catch_panic::CatchPanicLayer::with_panic_handler(panicked))
        .layer(TimeLimitLayer)
        .build(service);
    (context, tokio::spawn(worker.run()))
}

/// An apalis worker that is told to stop before it has quite started does not hear it: it is told until it has stopped.
pub(super) async fn stop(context: &WorkerContext, mut worker: Handle) {
    loop {
        if let Err(error) = context.stop() {
            tracing::debug!("apalis cannot be stopped: {error}");
        }
        match tokio::time::timeout(TELL_AGAIN, &mut worker).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => return tracing::error!("the apalis worker did not end well: {error}"),
            Err(_) => {}
        }
    }
}
