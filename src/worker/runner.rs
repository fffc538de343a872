//! One process that runs suspects, from its start to the record of its end.

use std::time::Duration;

use tokio::process::Child;
use tokio::task::JoinHandle;

use super::{Shutdown, exit};
use crate::config;
use crate::model::id::WorkerId;
use crate::recovery::freeing;
use crate::store::backoff::Backoff;
use crate::store::gone::{Aftermath, EndedProcess};
use crate::store::{Store, StoreError};
use crate::telemetry::relay;

/// A process that it left may hold its standard output open; what it counted itself is there at once.
const LAST_COUNTS: Duration = Duration::from_secs(1);

pub(super) struct Runner {
    /// No other process ever has it.
    pub(super) name: String,
    pub(super) child: Child,
    /// What [`exit::out_of_memory_kills`] said before it started.
    pub(super) kills_before: Option<u64>,
    pub(super) store: Store,
    /// The boot that started it.
    pub(super) by: WorkerId,
    /// Adds up what it counts.
    pub(super) counting: Option<JoinHandle<()>>,
}

/// How a process ended.
pub(super) struct Exit {
    pid: i32,
    words: String,
}

impl Runner {
    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Option<Exit> {
        let pid = self.child.id().map(u32::cast_signed);
        self.counting = self.child.stdout.take().map(|stdout| tokio::spawn(relay::count(stdout)));
        // The runner goes by the end of its standard input; to wait would close it.
        let held_open = self.child.stdin.take();
        let status = self.child.wait().await;
        drop(held_open);
        match (pid, status) {
            (Some(pid), Ok(status)) => {
                let kills = exit::out_of_memory_kills();
                let memory_was_short = kills.zip(self.kills_before).is_some_and(|(now, before)| now > before);
                Some(Exit { pid, words: exit::words(status, memory_was_short) })
            }
            (None, _) => None,
            (Some(_), Err(error)) => {
                tracing::warn!("the end of a process that runs suspects was not seen: {error}");
                None
            }
        }
    }

    /// What it counted last. Waited for when all else is done: whoever else finds it gone does not know how it ended.
    pub(super) async fn last_counts(self) {
        let Some(mut counting) = self.counting else { return };
        if tokio::time::timeout(LAST_COUNTS, &mut counting).await.is_err() {
            counting.abort();
        }
    }

    /// Ends its boot at once, with the cause on record, if it has not ended it by itself. Nothing rests on this: where it
    /// is not told, every look finds the boot gone. `false` when it never became a boot.
    pub(super) async fn tell(&self, exit: &Exit, shutdown: &Shutdown) -> bool {
        let host = config::host_name();
        let mut backoff = Backoff::default();
        loop {
            // Whoever stops this worker may have ended that process as well.
            let is_evidence = !shutdown.is_asked();
            let process = EndedProcess { name: &self.name, host: &host, pid: exit.pid, exit: &exit.words, is_evidence };
            match self.process_ended(&process).await {
                Ok(has_begun) => return has_begun,
                Err(StoreError::Away(_)) if !shutdown.is_asked() => backoff.wait().await,
                Err(error) => {
                    tracing::warn!(worker = self.name, "how its process ended is not on record: {error}");
                    return true;
                }
            }
        }
    }

    /// `false` when it never became a boot.
    async fn process_ended(&self, process: &EndedProcess<'_>) -> Result<bool, StoreError> {
        match self.store.process_ended(process, self.by).await? {
            Aftermath::NeverBegan => return Ok(false),
            Aftermath::HadEnded => {}
            Aftermath::Ended { boot, ended } => {
                freeing::free_all(&self.store, &ended, Some(boot)).await?;
            }
        }
        Ok(true)
    }
}
