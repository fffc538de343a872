//! What a process of this program is: the program itself, or a helper that Piton starts from the same file.

use std::process::ExitCode;

#[cfg(feature = "lab")]
use crate::chaos;
use crate::embedded;
use crate::stage::command;
use crate::worker::is_runner;

/// First argument with which this same program is started as the private Postgres' supervisor.
pub(crate) const SUPERVISOR_ARGUMENT: &str = "__postgres-supervisor";

/// Decided once, at the start of `main`.
pub(crate) enum Role {
    /// The program, as its user started it.
    Program,
    /// Runs suspects of a worker, each alone: it needs the program's handlers.
    Runner,
    /// A helper that needs nothing of the program. It has done its work.
    Helper(ExitCode),
}

impl Role {
    /// Of this process. A helper works in here, and returns at its end.
    pub(crate) fn of_this_process() -> Role {
        let mut arguments = std::env::args_os().skip(1);
        if let Some(first) = arguments.next() {
            let arguments: Vec<_> = arguments.collect();
            if first == SUPERVISOR_ARGUMENT {
                return Role::Helper(embedded::run_supervisor(&arguments));
            }
            #[cfg(feature = "lab")]
            if first == chaos::warm::ROLE {
                return Role::Helper(chaos::warm::main());
            }
            if let Some(code) = command::part(&first) {
                return Role::Helper(code);
            }
        }
        if is_runner() { Role::Runner } else { Role::Program }
    }
}
