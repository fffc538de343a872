//! What a process reports about itself: logs, and metrics for Prometheus.

pub(crate) mod connections;
pub(crate) mod exporter;
mod logs;
pub(crate) mod relay;
mod series;
pub(crate) mod server;

pub(crate) use logs::{LogFormat, log_to};
