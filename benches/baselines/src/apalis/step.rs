//! What every stage of a run does: nothing, and a new output.

use std::sync::OnceLock;

use apalis_core::error::BoxDynError;
use baselines::handlers;
use baselines::output::Outputs;
use serde::{Deserialize, Serialize};

/// What a stage returns and the next one gets: `{"data":"…"}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Output {
    data: String,
}

// Handlers share it without asking apalis for it, which would cost a look-up per task.
static BYTES: OnceLock<u32> = OnceLock::new();

/// Outputs will be of so many bytes; the first call counts.
pub(crate) fn set_bytes(bytes: u32) {
    BYTES.get_or_init(|| bytes);
}

/// The handler.
pub(crate) async fn step(_: Output) -> Result<Output, BoxDynError> {
    let seed = handlers::begin() << 32;
    let bytes = BYTES.get().copied().unwrap_or_default();
    Ok(Output { data: Outputs::of(bytes, seed).digits() })
}
