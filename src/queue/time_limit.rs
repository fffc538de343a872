//! The layer that ends an attempt at its stage's time limit.

use std::task::{Context, Poll};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::run_stage::{Ran, StageTask};
use crate::model::failure::Failure;
use crate::stage::within::within;
use crate::workflow::duration;

/// Adds the time limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimitLayer;

impl<S> Layer<S> for TimeLimitLayer {
    type Service = TimeLimit<S>;

    fn layer(&self, inner: S) -> TimeLimit<S> {
        TimeLimit { inner }
    }
}

/// Ends attempts at their time limit.
#[derive(Debug, Clone)]
pub(crate) struct TimeLimit<S> {
    inner: S,
}

impl<S> Service<Task<Box<StageTask>>> for TimeLimit<S>
where
    S: Service<Task<Box<StageTask>>, Response = Ran, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = Ran;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Ran, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Box<StageTask>>) -> Self::Future {
        let StageTask { claim, known, time_limit, .. } = &*task.args;
        // The one in the file: the limit may have been stretched.
        let timeout = known.version.stage(claim.key.stage).map_or(*time_limit, |stage| stage.timeout);
        let time_limit = *time_limit;
        let attempt = self.inner.call(task);
        Box::pin(async move {
            within(time_limit, attempt).await.unwrap_or_else(|| {
                let timeout = duration::words(timeout);
                Err(Failure::network_timeout(format!("the stage ran longer than its timeout of {timeout}")).into())
            })
        })
    }
}
