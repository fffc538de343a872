//! What the baselines have in common: the work, the outputs of its stages, and how a measurement is told.

pub mod handlers;
pub mod log;
pub mod measured;
pub mod output;
pub mod spread;
pub mod workload;
