//! What a command's exit code means. README has the same table.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked. A worker that was told to stop and drained also ends so.
    Done = 0,
    /// It could not; standard error says why.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// The run that was followed failed.
    RunFailed = 3,
    /// It was stopped before the run ended; nothing is lost, and standard error says how to go on.
    Stopped = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
