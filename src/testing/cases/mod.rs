//! The cases of a test file: each is one run with the real engine, compared with what is expected of it.

mod compare;
mod json_difference;
mod observe;
pub(crate) mod report;
pub(crate) mod run;
mod script;
