//! The trace that a run is started in: from the arguments, or from the caller's environment.

use super::args::TraceArgs;
use crate::model::trace::{TraceContext, TraceError};

/// What is asked for must be right. What merely is in the environment was set by somebody who may not know of Piton, and
/// is left out where it is no trace.
pub(crate) fn given(args: &TraceArgs) -> anyhow::Result<Option<TraceContext>> {
    let state = args.tracestate.as_deref();
    let Some(parent) = &args.traceparent else { return Ok(inherited()) };
    let trace = TraceContext::parse(parent, state).map_err(|error| match &error {
        TraceError::Parent(_) => anyhow::anyhow!("--traceparent: {error}"),
        TraceError::State => anyhow::anyhow!("--tracestate: {error}"),
    })?;
    Ok(Some(trace))
}

fn inherited() -> Option<TraceContext> {
    let parent = std::env::var("TRACEPARENT").ok()?;
    let state = std::env::var("TRACESTATE").ok();
    match TraceContext::parse(&parent, state.as_deref()) {
        Ok(trace) => Some(trace),
        // A state that cannot be read is no reason to lose the trace.
        Err(TraceError::State) => TraceContext::parse(&parent, None).ok(),
        Err(error @ TraceError::Parent(_)) => {
            tracing::debug!("the variable TRACEPARENT is left out: {error}");
            None
        }
    }
}
