//! One running worker, from boot to exit.

mod apalis_worker;
mod cleaner;
mod deadlines;
mod drain;
mod error;
mod exit;
mod feeder;
mod gauges;
mod heartbeats;
mod keeper;
mod metrics;
mod progress;
mod recoverer;
mod registration;
mod runner;
mod runners;
mod running;
mod scheduler;
mod session;
mod settings;
mod shared;
mod shortages;
mod sizing;
mod snapshot;
mod surroundings;
mod throughput;
mod wakeups;
mod warm_programs;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

pub(crate) use drain::{Shutdown, end_with_parent};
pub(crate) use error::{NameTaken, WorkerError};
pub(crate) use metrics::Metrics;
pub(crate) use runners::{ORDERS_ON_STDIN, RUNS_SUSPECTS_AS, descriptors_before, is_runner, parent};
pub(crate) use settings::{CONNECTIONS, Role, WorkerSettings};

use self::registration::{Registered, Registration, WhenTaken};
use self::running::Running;
use crate::events;
use crate::model::id::{WorkerId, WorkflowId};
use crate::neighbour;
use crate::queue::catalog::Catalog;
use crate::stage::command;
use crate::store::Store;
use crate::store::boots::Boot;
use crate::system::file_size;

/// Works until `shutdown` says otherwise.
pub(crate) async fn run(
    store: Store,
    catalog: Arc<Catalog>,
    workflows: Vec<WorkflowId>,
    settings: WorkerSettings,
    metrics: Option<Metrics>,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    file_size::makes_errors();
    let settings = WorkerSettings { slots: sizing::slots(&settings, &store, &catalog)?, ..settings };
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
    let ended = Running::start(store, catalog, workflows, settings, metrics, boot, &shutdown).until(shutdown).await;
    command::end_fork_server().await;
    ended
}

fn new_boot(settings: &WorkerSettings) -> Boot {
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
