//! Workflows: from a file to a definition that cannot be wrong, and from a finished job to what comes next. Pure.

mod check;
pub(crate) mod definition;
mod draft;
pub(crate) mod duration;
pub(crate) mod effective;
mod file;
mod graph;
mod keys;
pub(crate) mod limits;
mod lines;
pub(crate) mod mistake;
pub(crate) mod name;
mod notes;
mod outline;
pub(crate) mod plan;
mod rate;
pub(crate) mod retry_rules;
pub(crate) mod said;
pub(crate) mod schema;
mod similar;
pub(crate) mod stored;
mod syntax;
pub(crate) mod template;
mod value;
