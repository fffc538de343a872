//! The backend's own layer: whatever becomes of an attempt, its end reaches the committers.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::ended::{Ended, Outcome};
use super::ends::Ends;
use super::known::Known;
use super::run_stage::{Output, StageTask};
use super::tally::Tally;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::stage::artifacts::AttemptArtifacts;

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

impl<S> Service<Task<StageTask>> for Settle<S>
where
    S: Service<Task<StageTask>, Response = Output, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<StageTask>) -> Self::Future {
        self.tally.begins();
        let StageTask { claim, known, .. } = &task.args;
        let (known, ends) = (Some(known.clone()), Some(self.ends.clone()));
        let artifacts = task.args.context.artifacts.clone();
        let mut report = Report { claim: *claim, known, ends, artifacts, begun: None };
        let cancellation = task.args.context.cancellation.clone();
        let attempt = self.inner.call(task);
        Box::pin(async move {
            report.begun = Some(Instant::now());
            let outcome = tokio::select! {
                // What is finished counts, also when it is to be handed back at this moment.
                biased;
                result = attempt => match result {
                    Ok(output) => Outcome::Finished(output),
                    Err(error) => Outcome::Failed(failure(error)),
                },
                () = cancellation.cancelled() => Outcome::HandedBack,
            };
            report.send(outcome);
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
struct Report {
    claim: Claim,
    known: Option<Known>,
    ends: Option<Ends>,
    artifacts: AttemptArtifacts,
    begun: Option<Instant>,
}

impl Report {
    fn send(mut self, outcome: Outcome) {
        self.put(outcome);
    }

    fn put(&mut self, outcome: Outcome) {
        let Some(ends) = self.ends.take() else { return };
        let took = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        let (artifacts, used_the_store) = (self.artifacts.whole(), self.artifacts.has_used_the_store());
        let ended = Ended { claim: self.claim, known: self.known.take(), outcome, took, artifacts, used_the_store };
        ends.send(ended);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.put(Outcome::HandedBack);
    }
}
