//! One running worker, from boot to exit.

mod apalis_worker;
mod cleaner;
mod drain;
mod exit;
mod feeder;
mod gauges;
mod keeper;
mod runner;
mod runners;
mod running;
mod session;
mod shared;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use sqlx::types::Uuid;

pub(crate) use drain::Shutdown;
pub(crate) use runners::{RUNS_SUSPECTS_AS, is_runner};

use self::running::Running;
use crate::artifacts::Artifacts;
use crate::events;
use crate::health::Health;
use crate::model::id::{WorkerId, WorkflowId};
use crate::model::payload::PayloadLimits;
use crate::queue::catalog::Catalog;
use crate::stage::command;
use crate::store::backoff::Backoff;
use crate::store::workers::Boot;
use crate::store::{Store, StoreError};
use crate::telemetry::exporter::Exporter;

/// How a worker works.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Stable name; a restart under it takes the old boot's jobs back at once.
    pub(crate) name: String,
    /// Attempts that run side by side.
    pub(crate) slots: usize,
    /// The net under the notifications.
    pub(crate) poll: Duration,
    /// A worker that was not heard of for that long is gone.
    pub(crate) lease: Duration,
    /// How long running stages may go on after the first signal.
    pub(crate) grace: Duration,
    pub(crate) limits: PayloadLimits,
    /// Where files of stages are kept.
    pub(crate) artifacts: Option<Artifacts>,
    pub(crate) role: Role,
    /// Between two cleanups; `None` for a worker that leaves them to others.
    pub(crate) cleanup_every: Option<Duration>,
}

/// Where a worker shows what it counts.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) exporter: Arc<Exporter>,
    /// Between two snapshots of the state in the database.
    pub(crate) snapshot_every: Duration,
    pub(crate) health: Arc<Health>,
}

/// What a worker works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything but suspects, which it runs in processes of their own.
    Ordinary,
    /// Suspects, one after another, until none is left: such a process.
    Runner,
}

/// Why a worker stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// A part of it panicked. Its jobs are freed by the other workers, or at its next start.
    #[error("the worker's {0} stopped; its jobs are recovered by the others or at the next start")]
    PartStopped(&'static str),
    /// The database refused to register it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Works until `shutdown` says otherwise.
pub(crate) async fn run(
    store: Store,
    catalog: Arc<Catalog>,
    workflows: Vec<WorkflowId>,
    settings: Settings,
    metrics: Option<Metrics>,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    let Some((boot, id)) = register(&store, &settings, &shutdown).await? else { return Ok(()) };
    events::worker::started(&boot.name, &boot.boot_id, settings.slots);
    tokio::task::spawn_blocking(command::delete_abandoned);
    Running::start(store, catalog, workflows, settings, metrics, (boot, id), &shutdown).until(shutdown).await
}

fn new_boot(settings: &Settings) -> Boot {
    Boot {
        boot_id: Uuid::now_v7(),
        name: settings.name.clone(),
        slots: settings.slots,
        host: crate::config::host_name(),
        pid: std::process::id().cast_signed(),
    }
}

/// Registers, waiting for a database that is away; `None` when a signal came first. Each try is a boot of its own, for one
/// whose answer was lost may have been registered: it holds nothing, and the next one of its name ends it.
async fn register(
    store: &Store,
    settings: &Settings,
    shutdown: &Shutdown,
) -> Result<Option<(Boot, WorkerId)>, StoreError> {
    let mut backoff = Backoff::default();
    loop {
        let boot = new_boot(settings);
        match store.register_worker(&boot).await {
            Ok(id) => return Ok(Some((boot, id))),
            Err(StoreError::Away(error)) if !shutdown.is_asked() => {
                if backoff.is_first() {
                    tracing::warn!("registering waits: {error}");
                }
                backoff.wait().await;
            }
            Err(StoreError::Away(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
