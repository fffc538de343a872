//! The worker processes of a campaign: started, killed, frozen and restarted, with none left behind.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustix::process::{Pid, Signal};
use tokio::sync::Mutex;

use super::proxy::Proxy;
use super::{ChaosError, process_tree};
use crate::child::Child;

/// What a worker exits with when it was given up and another process has its name by now; `cli/exit.rs` has the table.
pub(super) const NAME_TAKEN: i32 = 5;

/// Starts a worker's process: its name, and where it finds Postgres.
pub(crate) type Start = Arc<dyn Fn(&str, &str) -> std::process::Command + Send + Sync>;

/// One worker: its place in the fleet stays, its process and its name do not.
pub(super) struct Member {
    number: usize,
    /// How often it got a new name.
    renamed: u32,
    child: Option<Child>,
    /// How its process ended, where that was seen and not yet asked for.
    status: Option<ExitStatus>,
    /// When its process was last seen alive.
    seen_at: DateTime<Utc>,
    /// There has been a second process under its name, for which it may have had to go.
    had_twin: bool,
    url: String,
    log: PathBuf,
    start: Start,
}

/// A worker and its way to Postgres. Whoever does something to the worker holds it until it is over.
pub(super) struct Post {
    pub(super) member: Arc<Mutex<Member>>,
    pub(super) proxy: Proxy,
}

impl Member {
    pub(super) fn new(number: usize, url: String, log: PathBuf, start: Start) -> Member {
        let (child, status, seen_at, had_twin) = (None, None, Utc::now(), false);
        Member { number, renamed: 0, child, status, seen_at, had_twin, url, log, start }
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
        (self.status, self.seen_at, self.had_twin) = (None, Utc::now(), false);
        self.child = Some(self.spawn()?);
        Ok(())
    }

    /// A second process under its name.
    pub(super) fn start_twin(&mut self) -> Result<Child, ChaosError> {
        self.had_twin = true;
        self.spawn()
    }

    fn spawn(&self) -> Result<Child, ChaosError> {
        let log = File::options().append(true).create(true).open(&self.log);
        let log = log.map_err(|error| ChaosError::File(self.log.display().to_string(), error))?;
        Child::spawn((self.start)(&self.name(), &self.url), log.into())
            .map_err(|error| ChaosError::Process("started", error))
    }

    pub(super) fn had_twin(&self) -> bool {
        self.had_twin
    }

    /// It ended some time since then.
    pub(super) fn seen_at(&self) -> DateTime<Utc> {
        self.seen_at
    }

    /// Its process id, for the record.
    pub(super) fn process(&self) -> Option<i32> {
        self.child.as_ref()?.pid().map(Pid::as_raw_pid)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            child.signal(signal);
        }
    }

    /// Kills it with all that it has started.
    pub(super) fn kill_with_family(&self) {
        if let Some(pid) = self.child.as_ref().and_then(Child::pid) {
            process_tree::kill(pid);
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> Result<bool, ChaosError> {
        let Some(child) = &mut self.child else { return Ok(true) };
        self.status = child.ended().map_err(|error| ChaosError::Process("looked after", error))?;
        match self.status {
            Some(_) => self.child = None,
            None => self.seen_at = Utc::now(),
        }
        Ok(self.status.is_some())
    }

    /// How it ended, if it has; once.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        self.has_ended()?;
        Ok(self.status.take())
    }

    /// Waits for its end.
    pub(super) async fn end(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        child.end().await.map(Some).map_err(|error| ChaosError::Process("stopped", error))
    }
}
