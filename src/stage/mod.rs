//! The user's work: what a stage is given, and how a handler is written.

pub(crate) mod context;
pub(crate) mod fan_out;
pub(crate) mod handler;
pub(crate) mod input;
