//! The last step before a program: a fork of its guard sets what only the process that becomes the program can set.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, getpid, getppid, setpgid};
use rustix::stdio::{dup2_stdin, dup2_stdout};

use super::interpreter;
use super::order::Order;
use super::requests::Requests;
use super::verdict;
use crate::system::fork::{Forked, SingleThread};

/// Which of the two processes this is, after the fork.
pub(super) enum Launched {
    /// The guard, with the other end of the program's standard input.
    Guard(Pid, PipeWriter),
    /// What should have become the program, and could not.
    Program(ExitCode),
}

/// Starts the program in a process group of its own. Its standard error is the guard's.
pub(super) fn start(
    process: &SingleThread,
    requests: &Requests,
    order: &Order,
    stdout: OwnedFd,
) -> io::Result<Launched> {
    let (stdin, input) = io::pipe()?;
    // A program that never reads holds up only its own input.
    fcntl_setfl(&input, OFlags::NONBLOCK)?;
    let guard = getpid();
    requests.forget();
    match process.fork()? {
        Forked::Child => {
            drop(input);
            Ok(Launched::Program(become_it(guard, requests, order, stdin, stdout)))
        }
        Forked::Parent(program) => {
            // Both do it, for neither knows who comes first. An error means that the other one did.
            setpgid(Some(program), Some(program)).ok();
            Ok(Launched::Guard(program, input))
        }
    }
}

/// Becomes the program, or says why not.
fn become_it(guard: Pid, requests: &Requests, order: &Order, stdin: PipeReader, stdout: OwnedFd) -> ExitCode {
    let Some((program, arguments)) = order.argv.split_first() else { return ExitCode::from(64) };
    let env = order.env.iter().map(|(name, value)| (name, value));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(env);
    let ready = setpgid(None, None)
        .and_then(|()| dup2_stdin(&stdin))
        .and_then(|()| dup2_stdout(&stdout))
        .map_err(io::Error::from)
        .and_then(|()| die_with(guard))
        .and_then(|()| order.limits.set());
    let error = match ready {
        Ok(()) => {
            requests.obey();
            command.exec()
        }
        Err(error) => error,
    };
    complain(order, &error)
}

/// When the guard itself is killed, the program goes too.
fn die_with(guard: Pid) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // Killed before that, it took nobody along.
    if getppid() == Some(guard) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

/// Says why there is no program, and returns the exit code of a shell that finds none.
pub(super) fn complain(order: &Order, error: &io::Error) -> ExitCode {
    let program = order.argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let place = order.dir.as_ref().map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
    let interpreter = (error.kind() == io::ErrorKind::NotFound).then(|| interpreter::missing(order)).flatten();
    let why =
        interpreter.map_or_else(String::new, |it| format!("its first line asks for `{it}`, which is not there: "));
    verdict::complain_of(&format!("cannot start `{program}`{place}: {why}{error}"), verdict::class_of_start(error));
    ExitCode::from(127)
}
