//! What a stage needs that this worker lacks.

use std::fmt;

use super::handler::Handlers;
use super::{fill, installed, variables};
use crate::workflow::definition::{Stage, StageKind};

/// Why a stage cannot run in this process: its jobs are left for workers that have what it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Missing<'d> {
    /// No handler of that name is registered.
    Handler(&'d str),
    /// These variables of the environment are not set.
    Variables(Vec<&'d str>),
    /// Nobody said where services reach the callbacks.
    CallbackUrl,
    /// There is no such program.
    Program(&'d str),
    /// There are no such tools and places.
    Requirements(Vec<&'d str>),
}

impl<'d> Missing<'d> {
    pub(crate) fn of(stage: &'d Stage, handlers: &Handlers) -> Option<Missing<'d>> {
        let unset = fill::unset(stage.templates().into_iter().chain(&stage.requires));
        if !unset.is_empty() {
            return Some(Missing::Variables(unset));
        }
        // A program or a handler has the token anyway, and may answer with it in SQL.
        if matches!(stage.kind, StageKind::Http(_)) && stage.is_called_back() && variables::callback_url().is_none() {
            return Some(Missing::CallbackUrl);
        }
        if let StageKind::Rust { handler } = &stage.kind
            && !handlers.knows(handler)
        {
            return Some(Missing::Handler(handler));
        }
        Missing::of_the_machine(stage)
    }

    /// What may come and go while a process lives.
    pub(crate) fn of_the_machine(stage: &'d Stage) -> Option<Missing<'d>> {
        if let Some(program) = installed::missing_program(&stage.kind) {
            return Some(Missing::Program(program));
        }
        let missing = installed::missing_requirements(stage);
        (!missing.is_empty()).then_some(Missing::Requirements(missing))
    }
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Handler(name) => write!(f, "handler \"{name}\""),
            Missing::Variables(names) => write!(f, "variable {}", names.join(", ")),
            Missing::CallbackUrl => f.write_str("the address of the callbacks (--callback-url)"),
            Missing::Program(name) => write!(f, "program \"{name}\""),
            Missing::Requirements(names) => write!(f, "\"{}\", which it requires", names.join("\" and \"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::definition::Workflow;
    use crate::workflow::limits::Limits;

    fn missing(kind: &str, requires: &str) -> Option<String> {
        let mut handlers = Handlers::default();
        handlers.add("h", || async { Ok::<_, crate::model::failure::Failure>(1) });
        let file = format!("name = 'a'\n[stages.a]\n{kind}\nrequires = [{requires}]");
        let workflow = Workflow::parse("f", file.as_bytes(), &Limits::default()).expect("a workflow");
        Missing::of(&workflow.stages[0], &handlers).map(|missing| missing.to_string())
    }

    #[test]
    fn a_stage_of_any_kind_lacks_what_it_requires_and_is_not_here() {
        let kinds = ["rust = 'h'", "command = ['sh']\ndir = '/usr'", "http = 'https://example.com/'\ndir = '/usr'"];
        for kind in kinds {
            assert_eq!(missing(kind, "'sh', '/tmp', '/bin/sh'"), None, "{kind}");
            let lacks = missing(kind, "'no-such-tool', '/tmp', '/no/such/folder'").unwrap_or_default();
            assert_eq!(lacks, "\"no-such-tool\" and \"/no/such/folder\", which it requires", "{kind}");
            assert_eq!(
                missing(kind, "'${NO_SUCH_VARIABLE}/x'").as_deref(),
                Some("variable NO_SUCH_VARIABLE"),
                "{kind}"
            );
        }
        // Relative to the folder of the stage, and of the programs of its own PATH.
        assert_eq!(missing("command = ['sh']\ndir = '/usr'", "'./bin', 'bin/env'"), None);
        let own_path = "command = ['/bin/sh']\nenv = { PATH = '/no/such/folder' }";
        assert_eq!(missing(own_path, "'sh'").as_deref(), Some("\"sh\", which it requires"));
    }
}
