//! The worker processes of a bench, which never outlive it.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::BenchError;
use super::machine;
use crate::child::Child;
use crate::store::bench::Observer;

/// Between two looks whether the workers are there.
const READY_EVERY: Duration = Duration::from_millis(20);

/// Running workers. Dropped, they are killed; told to stop, they drain.
pub(super) struct Workers(Vec<Child>);

impl Workers {
    pub(super) fn spawn(commands: Vec<Command>) -> Result<Workers, BenchError> {
        let workers: std::io::Result<Vec<Child>> =
            commands.into_iter().map(|command| Child::spawn(command, Stdio::inherit())).collect();
        workers.map(Workers).map_err(|error| BenchError::Process("started", error))
    }

    /// Waits until so many have registered: starting them is not what is measured.
    pub(super) async fn all_there(&mut self, count: u32, observer: &Observer) -> Result<(), BenchError> {
        while observer.workers().await? < u64::from(count) {
            self.check()?;
            tokio::time::sleep(READY_EVERY).await;
        }
        Ok(())
    }

    /// An error when one has ended.
    pub(super) fn check(&mut self) -> Result<(), BenchError> {
        for worker in &mut self.0 {
            let ended = worker.ended().map_err(|error| BenchError::Process("looked after", error))?;
            if let Some(status) = ended {
                return Err(BenchError::WorkerEnded(status));
            }
        }
        Ok(())
    }

    /// Most memory that any of them has had.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        self.0.iter().filter_map(|worker| machine::peak_memory(worker.pid()?)).max()
    }

    /// Stops them as a deploy does, and waits for their end.
    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        self.0.iter().for_each(|worker| worker.signal(Signal::TERM));
        for worker in &mut self.0 {
            let status = worker.end().await.map_err(|error| BenchError::Process("stopped", error))?;
            if !status.success() {
                return Err(BenchError::WorkerFailed(status));
            }
        }
        Ok(())
    }
}
