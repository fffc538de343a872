//! The worker processes of a campaign: started, killed, frozen and started again, and none of them left behind.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::{Pid, Signal};
use tokio::sync::Mutex;

use super::ChaosError;
use super::proxy::Proxy;
use crate::child::Child;

/// Starts a worker's process: its name, and where it finds Postgres.
pub(crate) type Start = Arc<dyn Fn(&str, &str) -> std::process::Command + Send + Sync>;

/// One worker: its place in the fleet stays, its process and its name do not.
pub(super) struct Member {
    number: usize,
    /// How often it got a new name.
    renamed: u32,
    child: Option<Child>,
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
        let child = Child::spawn((self.start)(&self.name(), &self.url), log.into());
        self.child = Some(child.map_err(|error| ChaosError::Process("started", error))?);
        Ok(())
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

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let status = child.ended().map_err(|error| ChaosError::Process("looked after", error))?;
        if status.is_some() {
            self.child = None;
        }
        Ok(status)
    }

    /// Waits for its end.
    pub(super) async fn end(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        child.end().await.map(Some).map_err(|error| ChaosError::Process("stopped", error))
    }
}
