//! The backend's own layer: whatever becomes of an attempt, its end reaches the committers.

use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::completion::Completion;
use super::ended::Outcome;
use super::ends::Ends;
use super::run_stage::{Ran, StageTask};
use super::tally::Tally;
use crate::model::failure::Failure;

/// Adds the reporting of ends.
#[derive(Debug, Clone)]
pub(crate) struct SettleLayer(pub(crate) Ends, pub(crate) Arc<Tally>);

impl<S> Layer<S> for SettleLayer {
    type Service = Settle<S>;

    fn layer(&self, inner: S) -> Settle<S> {
        Settle { inner, ends: self.0.clone(), tally: self.1.clone() }
    }
}

/// Reports the ends of attempts.
#[derive(Debug, Clone)]
pub(crate) struct Settle<S> {
    inner: S,
    ends: Ends,
    tally: Arc<Tally>,
}

impl<S> Service<Task<Box<StageTask>>> for Settle<S>
where
    S: Service<Task<Box<StageTask>>, Response = Ran, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut task: Task<Box<StageTask>>) -> Self::Future {
        self.tally.begins();
        let StageTask { claim, known, .. } = &*task.args;
        let known = Some(known.clone());
        let artifacts = task.args.context.artifacts.clone();
        let completion = Arc::new(Completion::new(*claim, known, self.ends.clone(), artifacts));
        task.args.context.own_rows.belong_to(completion.clone());
        let report = Report(completion);
        let cancellation = task.args.context.cancellation.clone();
        let attempt = self.inner.call(task);
        Box::pin(async move {
            report.0.begins();
            let outcome = tokio::select! {
                // What is finished counts, also when it is to be handed back at this moment.
                biased;
                result = attempt => match result {
                    Ok(Ran::Finished(output)) => Outcome::Finished(output),
                    Ok(Ran::Waits(wait)) => Outcome::Waits(wait),
                    Ok(Ran::Again(end)) => Outcome::Again(end),
                    Err(error) => Outcome::Failed(failure(error)),
                },
                () = cancellation.cancelled() => Outcome::HandedBack,
            };
            report.0.send(outcome);
            Ok(())
        })
    }
}

/// Layers hand on boxed errors; what is in the box is a failure, unless a layer made an error of its own.
fn failure(error: BoxDynError) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(other) => Failure::unknown(other.to_string()),
    }
}

/// Sends the end, also when the attempt's future is dropped before it has one: a live claim must not stick.
struct Report(Arc<Completion>);

impl Drop for Report {
    fn drop(&mut self) {
        self.0.send(Outcome::HandedBack);
    }
}
