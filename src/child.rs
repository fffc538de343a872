//! Processes that one of Piton's commands starts and that end with it: both ends of the tie.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::ChildStdin;

use crate::worker::is_runner;

/// Longest wait for a worker that was told to stop: its grace period and its last commits.
const FAREWELL: Duration = Duration::from_secs(60);

/// As its starter sees it. Dropped, it is killed.
pub(crate) struct Child {
    child: tokio::process::Child,
    /// Its other end closes with this process, however it ends; the child watches it.
    _alive: Option<ChildStdin>,
}

impl Child {
    /// What it logs goes to `log`; what it prints goes nowhere.
    pub(crate) fn spawn(command: Command, log: Stdio) -> io::Result<Child> {
        let mut command = tokio::process::Command::from(command);
        // A group of its own: Ctrl-C is for its starter, which then ends it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).process_group(0);
        let mut child = command.spawn()?;
        Ok(Child { _alive: child.stdin.take(), child })
    }

    /// `None` once its end was seen.
    pub(crate) fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id()?.cast_signed())
    }

    /// One that has just ended shows itself when its end is asked for.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            kill_process(pid, signal).ok();
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end; an error when that takes too long.
    pub(crate) async fn end(&mut self) -> io::Result<ExitStatus> {
        let ended = tokio::time::timeout(FAREWELL, self.child.wait()).await;
        ended.unwrap_or_else(|late| Err(late.into()))
    }
}

/// As the child does: the starter holds the other end of our standard input, and it closes with the starter, however that
/// ends. A runner of suspects ends with its worker, which has a way of its own.
pub(crate) fn end_with_starter() {
    if is_runner() {
        return;
    }
    // Also when this process is frozen. Where the system has no such thing, the thread below has to do.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).ok();
    std::thread::spawn(|| {
        // End or error, either way nobody is there any more.
        io::copy(&mut io::stdin(), &mut io::sink()).ok();
        std::process::exit(1);
    });
}
