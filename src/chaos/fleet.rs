//! The worker processes of a campaign: started, killed, frozen and started again, and none of them left behind.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use super::ChaosError;
use super::proxy::Proxy;

/// Longest wait for a worker that was told to stop.
const FAREWELL: Duration = Duration::from_secs(60);

/// Starts a worker's process: its name, and where it finds Postgres.
pub(crate) type Start = Arc<dyn Fn(&str, &str) -> std::process::Command + Send + Sync>;

/// One worker: its place in the fleet stays, its process and its name do not.
pub(super) struct Member {
    number: usize,
    /// How often it got a new name.
    renamed: u32,
    child: Option<Running>,
    url: String,
    log: PathBuf,
    start: Start,
}

struct Running {
    child: Child,
    /// Its other end closes with this process, however it ends; the worker watches it.
    _alive: Option<ChildStdin>,
}

/// A worker and its way to Postgres. Whoever does something to the worker holds it until it is over.
pub(super) struct Post {
    pub(super) member: Arc<Mutex<Member>>,
    pub(super) proxy: Proxy,
}

impl Member {
    pub(super) fn new(number: usize, url: String, log: PathBuf, start: Start) -> Member {
        Member { number, renamed: 0, child: None, url, log, start }
    }

    pub(super) fn name(&self) -> String {
        match self.renamed {
            0 => format!("w{}", self.number),
            times => format!("w{}-{times}", self.number),
        }
    }

    pub(super) fn rename(&mut self) {
        self.renamed += 1;
    }

    pub(super) fn start(&mut self) -> Result<(), ChaosError> {
        let log = File::options().append(true).create(true).open(&self.log);
        let log = log.map_err(|error| ChaosError::File(self.log.display().to_string(), error))?;
        let mut command = Command::from((self.start)(&self.name(), &self.url));
        // A group of its own: Ctrl-C is for the campaign, which then ends its workers.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).process_group(0);
        let mut child = command.spawn().map_err(|error| ChaosError::Process("started", error))?;
        self.child = Some(Running { _alive: child.stdin.take(), child });
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.as_ref()?.child.id()?.cast_signed())
    }

    /// Its process id, for the record.
    pub(super) fn process(&self) -> Option<i32> {
        self.pid().map(Pid::as_raw_pid)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // One that has just died is found by its watcher.
            kill_process(pid, signal).ok();
        }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        let Some(running) = &mut self.child else { return Ok(None) };
        let status = running.child.try_wait().map_err(|error| ChaosError::Process("looked after", error))?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Waits for its end; one that takes too long is killed.
    pub(super) async fn end(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        let Some(mut running) = self.child.take() else { return Ok(None) };
        let ended = tokio::time::timeout(FAREWELL, running.child.wait()).await;
        let status = ended.unwrap_or_else(|late| Err(late.into()));
        status.map(Some).map_err(|error| ChaosError::Process("stopped", error))
    }
}
