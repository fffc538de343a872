//! A binary: workflow files that are built in, handlers, and Piton's command line around them.

use std::process::ExitCode;

use crate::cli;
use crate::embedded;
use crate::stage::handler::{Handler, Handlers};
use crate::stage::{command, http};

/// What the private Postgres' supervisor is started as: this same program with that first argument.
pub(crate) const SUPERVISOR_ARGUMENT: &str = "__postgres-supervisor";

/// Piton's whole command line, with workflows and handlers of your own.
#[derive(Debug, Default)]
pub struct App {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) handlers: Handlers,
    pub(crate) mistakes: Vec<String>,
}

impl App {
    /// Without any handlers, as the `piton` binary is.
    pub fn new() -> App {
        App::default()
    }

    /// Builds a workflow file in: its name for messages, and its text (`include_str!`). It is checked when the
    /// program starts.
    #[must_use]
    pub fn workflow(mut self, file: &str, text: &str) -> App {
        self.files.push((file.to_owned(), text.to_owned()));
        self
    }

    /// Registers the async function that runs stages with `rust = "name"`. It runs at least once for every job.
    #[must_use]
    pub fn handler<A>(mut self, name: &str, handler: impl Handler<A>) -> App {
        if !self.handlers.add(name, handler) {
            self.mistakes.push(format!("two handlers are registered as `{name}`; give one of them another name"));
        }
        self
    }

    /// Shares a value, such as a client or a configuration, with every handler that takes a [`crate::State`] of its type.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> App {
        if !self.handlers.share(value) {
            let type_name = std::any::type_name::<T>();
            self.mistakes.push(format!("two states of the type {type_name} are shared; wrap one in a type of its own"));
        }
        self
    }

    /// Runs the command line and returns the process' exit code.
    pub fn main(mut self) -> ExitCode {
        let mut arguments = std::env::args_os().skip(1);
        if let Some(first) = arguments.next() {
            let arguments: Vec<_> = arguments.collect();
            if first == SUPERVISOR_ARGUMENT {
                return embedded::run_supervisor(&arguments);
            }
            if let Some(code) = command::part(&first, &arguments) {
                return code;
            }
        }
        http::install_tls();
        let unshared = self.handlers.without_state().map(|(handler, state)| {
            format!("handler `{handler}` asks for a state of the type {state}, and none is shared; add .state(…)")
        });
        self.mistakes.extend(unshared.collect::<Vec<_>>());
        cli::main(self)
    }
}
