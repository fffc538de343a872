//! The worker processes of a bench, which never outlive it.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin};

use super::BenchError;
use super::machine;

/// Longest wait for a worker that was told to stop: its grace period and its last commits.
const FAREWELL: Duration = Duration::from_secs(60);

/// Running workers. Dropped, they are killed; told to stop, they drain.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    child: Child,
    /// Its other end closes with this process, however it ends; the worker watches it.
    _alive: Option<ChildStdin>,
}

impl Workers {
    pub(super) fn spawn(commands: Vec<Command>) -> Result<Workers, BenchError> {
        let spawn = |command: Command| {
            let mut command = tokio::process::Command::from(command);
            // A group of its own: Ctrl-C is for the bench, which then ends its workers.
            command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).process_group(0);
            let mut child = command.spawn()?;
            let alive = child.stdin.take();
            Ok(Worker { child, _alive: alive })
        };
        let workers: std::io::Result<Vec<Worker>> = commands.into_iter().map(spawn).collect();
        workers.map(Workers).map_err(|error| BenchError::Process("started", error))
    }

    /// An error when one has ended.
    pub(super) fn check(&mut self) -> Result<(), BenchError> {
        for worker in &mut self.0 {
            let ended = worker.child.try_wait().map_err(|error| BenchError::Process("looked after", error))?;
            if let Some(status) = ended {
                return Err(BenchError::WorkerEnded(status));
            }
        }
        Ok(())
    }

    /// Most memory that any of them has had.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        self.0.iter().filter_map(|worker| machine::peak_memory(worker.child.id()?)).max()
    }

    /// Stops them as a deploy does, and waits for their end.
    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        for pid in self.0.iter().filter_map(|worker| Pid::from_raw(worker.child.id()?.cast_signed())) {
            // One that has ended already shows itself below.
            kill_process(pid, Signal::TERM).ok();
        }
        for worker in &mut self.0 {
            let ended = tokio::time::timeout(FAREWELL, worker.child.wait()).await;
            let ended = ended.unwrap_or_else(|late| Err(late.into()));
            let status = ended.map_err(|error| BenchError::Process("stopped", error))?;
            if !status.success() {
                return Err(BenchError::WorkerFailed(status));
            }
        }
        Ok(())
    }
}
