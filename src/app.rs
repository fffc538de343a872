//! What a program brings along: built-in workflow files, handlers, and the state they share.

use crate::stage::handler::{Handler, Handlers};

/// Workflow files, handlers and shared values of a program. [`App::main`] puts Piton's whole command line around it;
/// [`Piton::builder`](crate::Piton::builder) uses it in a program of your own.
#[derive(Debug, Default)]
pub struct App {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) handlers: Handlers,
    mistakes: Vec<String>,
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

    /// The first mistake in it; only the whole is valid or not.
    pub(crate) fn mistake(&self) -> Option<String> {
        self.mistakes.first().cloned().or_else(|| {
            let (handler, state) = self.handlers.without_state().next()?;
            Some(format!("handler `{handler}` asks for a state of the type {state}, and none is shared; add .state(…)"))
        })
    }
}
