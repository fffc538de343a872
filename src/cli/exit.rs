//! Exit codes. docs/command-line.md has the same table.

use std::process::ExitCode;

use crate::worker::WorkerError;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked. A worker that was told to stop and drained also ends so.
    Done = 0,
    /// It could not; standard error says why.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The run that was followed failed; the attempt that was tried would have failed.
    RunFailed = 3,
    /// It was stopped before the run, or what was tried, ended; nothing is lost, and standard error says how to go on.
    Stopped = 4,
    /// A worker was given up, and another living process has its name by now.
    NameTaken = 5,
}

impl Exit {
    /// Of a command that ended with an error.
    pub(super) fn of(error: &anyhow::Error) -> Exit {
        match error.downcast_ref() {
            Some(WorkerError::NameTaken(_)) => Exit::NameTaken,
            Some(WorkerError::PartStopped(_) | WorkerError::NoRoom(_) | WorkerError::Store(_)) | None => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
