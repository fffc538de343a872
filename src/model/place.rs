//! Where a job stands in the queue.

use chrono::{DateTime, Utc};

/// A place in the queue; the smaller one is claimed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The run's priority, turned round.
    pub(crate) rank: i16,
    pub(crate) due_at: DateTime<Utc>,
}
