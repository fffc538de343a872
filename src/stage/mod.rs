//! The user's work: what a stage gets, and how a handler is written.

pub(crate) mod about;
mod answer;
pub(crate) mod artifacts;
mod blocking;
pub(crate) mod command;
pub(crate) mod context;
mod errors;
pub(crate) mod fan_out;
pub(crate) mod fill;
pub(crate) mod filled;
pub(crate) mod handler;
pub(crate) mod http;
pub(crate) mod input;
mod installed;
pub(crate) mod items;
mod last_attempt;
pub(crate) mod missing;
pub(crate) mod new_artifact;
pub(crate) mod own_rows;
pub(crate) mod records;
pub(crate) mod resources;
mod secrets;
pub(crate) mod state;
pub(crate) mod states;
pub(crate) mod steps;
pub(crate) mod variables;
pub(crate) mod within;
