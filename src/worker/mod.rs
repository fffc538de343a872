//! One running worker, from boot to exit.

mod apalis_worker;
mod beats;
mod cleaner;
mod deadlines;
mod drain;
mod exit;
mod feeder;
mod gauges;
mod keeper;
mod progress;
mod recoverer;
mod registration;
mod runner;
mod runners;
mod running;
mod session;
mod shared;
mod sizing;
mod snapshot;
mod surroundings;
mod throughput;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

pub(crate) use drain::Shutdown;
pub(crate) use runners::{RUNS_SUSPECTS_AS, descriptors_before, is_runner, parent};

use self::registration::{Registered, Registration, WhenTaken};
use self::running::Running;
use self::sizing::NoRoom;
use crate::artifacts::Artifacts;
use crate::events;
use crate::health::Health;
use crate::model::id::{WorkerId, WorkflowId};
use crate::model::payload::PayloadLimits;
use crate::neighbour;
use crate::queue::catalog::Catalog;
use crate::stage::command;
use crate::stage::resources::Resources;
use crate::store::boots::Boot;
use crate::store::gone::Suspect;
use crate::store::{Store, StoreError};
use crate::telemetry::exporter::Exporter;

/// How a worker works.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Stable name, of one process at a time; a restart under it takes the old boot's jobs back at once.
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
    /// That store, and what else stages need of this machine.
    pub(crate) resources: Arc<Resources>,
    pub(crate) role: Role,
    /// The boot that started it to run suspects.
    pub(crate) parent: Option<WorkerId>,
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
    /// Another process has its name, and lives.
    #[error(transparent)]
    NameTaken(#[from] NameTaken),
    /// It could not even work in one slot.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The database refused to register it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// This worker was given up, and another process has taken its name since.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "worker `{name}` was given up, and its name is taken: process {pid} on host {host} has it and is alive. What ran here \
     was handed back. Give each worker a name of its own with --name, or none at all"
)]
pub(crate) struct NameTaken {
    name: String,
    host: String,
    pid: i32,
}

impl NameTaken {
    fn by(other: &Suspect) -> NameTaken {
        NameTaken { name: other.name.clone(), host: other.process.host.clone(), pid: other.process.pid }
    }
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
    let settings = Settings { slots: sizing::slots(&settings, &store, &catalog)?, ..settings };
    settings.resources.check().await;
    catalog.work_with(settings.resources.clone());
    // A process that is new waits for one that has its name and lives.
    let registration = Registration::new(&store, WhenTaken::Wait);
    let boot = match registration.register(&new_boot(&settings), &shutdown).await? {
        Registered::As(boot) => boot,
        Registered::NameTaken(taken) => return Err(taken.into()),
        Registered::Asked => return Ok(()),
    };
    events::worker::started(&boot.name, &boot.boot_id, settings.slots);
    tokio::task::spawn_blocking(command::delete_abandoned);
    Running::start(store, catalog, workflows, settings, metrics, boot, &shutdown).until(shutdown).await
}

fn new_boot(settings: &Settings) -> Boot {
    Boot {
        id: WorkerId::random(),
        boot_id: Uuid::now_v7(),
        name: settings.name.clone(),
        process: neighbour::this(crate::config::host_name()),
        parent: settings.parent,
        slots: settings.slots,
        lease: settings.lease,
        build: build(),
    }
}

/// The version, and when the program was written: programs of users have Piton in them, and a version many builds.
fn build() -> String {
    let written = std::env::current_exe().and_then(std::fs::metadata).and_then(|file| file.modified()).ok();
    let written = written.map(|at| format!(", written {}", DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M:%SZ")));
    format!("{}{}", env!("CARGO_PKG_VERSION"), written.unwrap_or_default())
}
