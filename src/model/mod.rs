//! The words of Piton as types: pure, no I/O, no async.

pub(crate) mod actor;
pub(crate) mod address;
pub(crate) mod artifact;
pub(crate) mod claim;
pub(crate) mod condition;
pub(crate) mod counts;
pub(crate) mod digest;
pub(crate) mod failure;
pub(crate) mod feature;
pub(crate) mod fingerprint;
#[cfg(test)]
pub(crate) mod fuzz;
pub(crate) mod health;
pub(crate) mod id;
pub(crate) mod json;
pub(crate) mod key_line;
pub(crate) mod lane;
pub(crate) mod limited;
pub(crate) mod paused;
pub(crate) mod payload;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod quoted;
pub(crate) mod replay;
pub(crate) mod resource;
pub(crate) mod retry;
pub(crate) mod signal;
pub(crate) mod state;
pub(crate) mod suspect;
pub(crate) mod text;
mod texts;
pub(crate) mod times;
pub(crate) mod trace;
pub(crate) mod turn;
pub(crate) mod wait;
