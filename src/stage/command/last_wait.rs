//! How long the end of a program may take.

use std::time::Duration;

/// Longest wait for a guard to make an end of a program, beyond the program's own time.
pub(crate) const LAST_WAIT: Duration = Duration::from_millis(1800);
