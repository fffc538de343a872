//! What a process reports about itself: logs, and metrics for Prometheus.

#[cfg(feature = "cli")]
pub(crate) mod connections;
#[cfg(feature = "cli")]
pub(crate) mod exporter;
#[cfg(not(feature = "cli"))]
#[path = "no_exporter.rs"]
pub(crate) mod exporter;
#[cfg(feature = "cli")]
mod logs;
pub(crate) mod relay;
#[cfg(feature = "cli")]
mod series;
#[cfg(feature = "cli")]
pub(crate) mod server;

#[cfg(feature = "cli")]
pub(crate) use logs::{LogFormat, log_to};
