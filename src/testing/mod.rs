//! Tests of workflows: what stages do is scripted, and the rest is the real engine.

pub(crate) mod cases;
pub(crate) mod mocks;

pub use mocks::{Mock, MockCall};
