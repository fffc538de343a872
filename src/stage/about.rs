//! What is known of an attempt from its start to its end.

use std::sync::Arc;

use crate::model::id::RunId;
use crate::model::trace::TraceContext;

/// The fixed part.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) run: RunId,
    pub(crate) workflow: Arc<str>,
    pub(crate) stage: Arc<str>,
    pub(crate) item: Option<u32>,
    pub(crate) attempt: u32,
    /// How often the stage was begun anew, with all that was done before forgotten.
    pub(crate) again: u16,
    /// Which round of its stages it is in, from 1; `None` where its stage is done once.
    pub(crate) round: Option<u32>,
    /// The end of an idempotency key of its own: it is tried by hand, and not on the input of its job.
    pub(crate) apart: Option<Arc<str>>,
    pub(crate) worker: Arc<str>,
    /// The trace that the run was started in.
    pub(crate) trace: Option<Arc<TraceContext>>,
}
