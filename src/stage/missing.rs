//! What a stage needs that this worker lacks.

use std::fmt;

use super::handler::Handlers;
use super::{command, fill};
use crate::workflow::definition::StageKind;

/// Why a stage cannot run in this process: its jobs are left for workers that have what it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Missing<'d> {
    /// No handler of that name is registered.
    Handler(&'d str),
    /// These variables of the environment are not set.
    Variables(Vec<&'d str>),
    /// There is no such program.
    Program(&'d str),
}

impl<'d> Missing<'d> {
    pub(crate) fn of(kind: &'d StageKind, handlers: &Handlers) -> Option<Missing<'d>> {
        let unset = fill::unset(kind.templates());
        if !unset.is_empty() {
            return Some(Missing::Variables(unset));
        }
        match kind {
            StageKind::Rust { handler } => (!handlers.knows(handler)).then_some(Missing::Handler(handler)),
            StageKind::Command(stage) => command::missing(stage).map(Missing::Program),
            StageKind::Http(_) => None,
        }
    }
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Handler(name) => write!(f, "handler \"{name}\""),
            Missing::Variables(names) => write!(f, "variable {}", names.join(", ")),
            Missing::Program(name) => write!(f, "program \"{name}\""),
        }
    }
}
