//! What every stage of a run does: nothing, and a new output.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use apalis_core::error::BoxDynError;
use baselines::output::Outputs;
use serde::{Deserialize, Serialize};

/// What a stage returns and the next one gets: `{"data":"…"}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Output {
    data: String,
}

// Handlers share these without asking apalis for them, which would cost it a look-up per task.
static BYTES: OnceLock<u32> = OnceLock::new();
static BEGAN: OnceLock<Instant> = OnceLock::new();
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Outputs will be of so many bytes; the first call counts.
pub(crate) fn set_bytes(bytes: u32) {
    BYTES.get_or_init(|| bytes);
}

/// When the first handler began.
pub(crate) fn first_began() -> Option<Instant> {
    BEGAN.get().copied()
}

/// The handler.
pub(crate) async fn step(_: Output) -> Result<Output, BoxDynError> {
    BEGAN.get_or_init(Instant::now);
    let seed = CALLS.fetch_add(1, Ordering::Relaxed) << 32;
    let bytes = BYTES.get().copied().unwrap_or_default();
    Ok(Output { data: Outputs::of(bytes, seed).digits() })
}
