//! The last step before a program: sets what only the process that becomes the program can set.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::own_program::own_program;
use super::verdict;
use crate::system::descriptors;

/// First argument of this program as a launcher; then the program's limits and its arguments.
pub(super) const ROLE: &str = "__command-launch";

/// What a program is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
    /// Descriptors: what this process itself was started with, before it raised its own limit.
    pub(super) descriptors: Option<u64>,
}

/// As an argument: the two numbers, or nothing in the place of one.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
        write!(f, "{},{}", number(self.memory), number(self.descriptors))
    }
}

impl Limits {
    fn read(argument: &OsString) -> Option<Limits> {
        let (memory, descriptors) = argument.to_str()?.split_once(',')?;
        Some(Limits { memory: memory.parse().ok(), descriptors: descriptors.parse().ok() })
    }

    fn set(self) -> io::Result<()> {
        if let Some(soft) = self.descriptors {
            descriptors::set(soft);
        }
        if let Some(bytes) = self.memory {
            setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        }
        Ok(())
    }
}

/// Starts a launcher in a process group of its own.
pub(super) fn start(limits: &OsString, argv: &[OsString]) -> io::Result<Child> {
    Command::new(own_program()?).arg(ROLE).arg(limits).args(argv).stdin(Stdio::piped()).process_group(0).spawn()
}

/// Becomes the program, or says why not.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let [limits, argv @ ..] = arguments else { return ExitCode::from(64) };
    let ([program, rest @ ..], Some(limits)) = (argv, Limits::read(limits)) else { return ExitCode::from(64) };
    if let Err(error) = die_with_parent().and_then(|()| limits.set()) {
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

/// The exit code of a shell that finds no program.
pub(super) fn complain(argv: &[OsString], error: &io::Error) -> ExitCode {
    let program = argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    verdict::complain_of(&format!("cannot start `{program}`: {error}"), verdict::class_of_start(error));
    ExitCode::from(127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_were_written() {
        for memory in [None, Some(1 << 30)] {
            for descriptors in [None, Some(1024)] {
                let limits = Limits { memory, descriptors };
                assert_eq!(Limits::read(&limits.to_string().into()), Some(limits));
            }
        }
        assert_eq!(Limits::read(&"1024".into()), None);
    }
}
