//! The apalis backend: jobs are claimed from Postgres, run by an apalis worker, and committed back in groups.
//!
//! A job's way: [`claimer`] → [`inputs`] → [`backend`] → apalis' layers around [`run_stage`] → [`settle`] →
//! [`committer`]. Claimer and committers live outside the backend, so that they outlast the worker's own shutdown.

pub(crate) mod aside;
pub(crate) mod backend;
pub(crate) mod by_hand;
pub(crate) mod catalog;
pub(crate) mod claimer;
mod commits;
pub(crate) mod committer;
mod completion;
mod count;
mod counted;
pub(crate) mod cursors;
pub(crate) mod ended;
pub(crate) mod ends;
mod evidence;
pub(crate) mod feeding;
mod hand_off;
mod input_files;
pub(crate) mod inputs;
pub(crate) mod known;
pub(crate) mod monitor;
mod own_rows;
mod portions;
mod previous;
mod report;
pub(crate) mod room;
mod round;
mod rounds;
pub(crate) mod run_stage;
pub(crate) mod service;
pub(crate) mod settle;
mod settle_counted;
mod skips;
pub(crate) mod slots;
pub(crate) mod starter;
pub(crate) mod tally;
pub(crate) mod time_limit;
pub(crate) mod version;
mod waits;
pub(crate) mod wake;
mod wanted;
