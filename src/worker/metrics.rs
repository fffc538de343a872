//! Where a worker serves its metrics.

use std::sync::Arc;
use std::time::Duration;

use crate::health::Health;
use crate::telemetry::exporter::Exporter;

/// Where a worker shows what it counts.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) exporter: Arc<Exporter>,
    /// Between two snapshots of the state in the database.
    pub(crate) snapshot_every: Duration,
    pub(crate) health: Arc<Health>,
}
