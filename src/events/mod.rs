//! The events of the log: one for every change of a state, with the same names for the same things.
//!
//! docs/logs.md lists them, and a test holds that list against what workers say. All have the target [`TARGET`]. Texts are
//! sentences for people; no input, no output and no secret is in one. What happens for every attempt is `debug`, so that
//! it costs nothing where nobody listens.

pub(crate) mod attempt;
pub(crate) mod dead_letter;
pub(crate) mod decision;
pub(crate) mod health;
pub(crate) mod program;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod worker;

/// Filters know the events by it: `--log warn,piton::events=debug`.
const TARGET: &str = "piton::events";

/// Somebody listens to what happens for every attempt. Asked before anything is looked up for it.
pub(crate) fn tell_all() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

/// Somebody listens to what people decide.
pub(crate) fn tell_decisions() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}
