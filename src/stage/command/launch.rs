//! The last step before a program: what can only be set by the process that becomes it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{own_program, verdict};

/// First argument of this program as a launcher; then the memory limit and the program's arguments.
pub(super) const ROLE: &str = "__command-launch";

/// Starts a launcher in a process group of its own.
pub(super) fn start(memory: &OsString, argv: &[OsString]) -> io::Result<Child> {
    Command::new(own_program()?).arg(ROLE).arg(memory).args(argv).stdin(Stdio::piped()).process_group(0).spawn()
}

/// Becomes the program, or says why not.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let [memory, argv @ ..] = arguments else { return ExitCode::from(64) };
    let [program, rest @ ..] = argv else { return ExitCode::from(64) };
    if let Err(error) = die_with_parent().and_then(|()| limit_memory(memory)) {
        return complain(argv, &error);
    }
    let error = Command::new(program).args(rest).exec();
    complain(argv, &error)
}

/// When the guard itself is killed, the program goes too.
fn die_with_parent() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

fn limit_memory(memory: &OsString) -> io::Result<()> {
    let Some(bytes) = memory.to_str().and_then(|text| text.parse().ok()) else { return Ok(()) };
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    Ok(())
}

/// The exit code of a shell that finds no program.
pub(super) fn complain(argv: &[OsString], error: &io::Error) -> ExitCode {
    let program = argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    verdict::complain_of(&format!("cannot start `{program}`: {error}"), verdict::class_of_start(error));
    ExitCode::from(127)
}
