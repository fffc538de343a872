//! What apalis polls: claims ready to run, from the claimer's channel.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc::UnboundedReceiver;

use super::ends::Ends;
use super::run_stage::StageTask;
use super::settle::SettleLayer;
use super::tally::Tally;

/// The end of the claimer's channel. It owns no connection and spawns nothing: claimer and committers are the worker's.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) tasks: UnboundedReceiver<Task<Box<StageTask>>>,
    pub(crate) ends: Ends,
    pub(crate) tally: Arc<Tally>,
}

impl Backend for Queue {
    type Task = Task<Box<StageTask>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        match self.tasks.poll_recv(cx) {
            Poll::Ready(Some(task)) => Poll::Ready(Some(Ok(task))),
            // The claimer has stopped. `None` would hang the worker; it ends when its context is stopped.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Queue {
    type Args = Box<StageTask>;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = SettleLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> SettleLayer {
        SettleLayer(self.ends.clone(), self.tally.clone())
    }
}
