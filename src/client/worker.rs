//! A worker in the caller's process and runtime.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::child;
use super::error::WorkerError;
use super::piton::Piton;
use crate::artifacts::Artifacts;
use crate::config;
use crate::stage::resources::Resources;
use crate::stage::variables;
use crate::store::Store;
use crate::worker::{self, CONNECTIONS, Shutdown, WorkerSettings};

/// Made by [`Piton::worker`].
#[derive(Debug)]
#[must_use = "nothing works before it is spawned"]
pub struct WorkerBuilder {
    piton: Piton,
    settings: Result<WorkerSettings, WorkerError>,
}

impl Piton {
    /// A worker in this process and its tokio runtime, once it is spawned.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.clone())
    }

    /// Works until told to stop, in the task of the caller, as a worker whose process ends with a test: other databases are
    /// worked on beside it, and no process is started for it.
    pub(crate) async fn work_for_a_test(&self, artifacts: Artifacts, shutdown: Shutdown) -> Result<(), WorkerError> {
        let shared = &self.shared;
        let settings = WorkerSettings {
            resources: Arc::new(Resources::new(Some(artifacts.clone()), true, TEST_WORKER)),
            artifacts: Some(artifacts),
            poll: TEST_POLL,
            ..WorkerSettings::of(TEST_WORKER.to_owned())
        };
        let store = Store::for_work(shared.server.clone(), shared.pooling, CONNECTIONS);
        let (catalog, queues) = (shared.catalog.clone(), shared.workflows.clone());
        let worked = worker::run(store.clone(), catalog, queues, settings, None, shutdown).await;
        store.close().await;
        Ok(worked?)
    }
}

/// A worker that starts anew under its name takes what the one before left at once.
const TEST_WORKER: &str = "test";
/// Deadlines are seen by looks.
const TEST_POLL: Duration = Duration::from_millis(200);

impl WorkerBuilder {
    pub(super) fn new(piton: Piton) -> WorkerBuilder {
        let of_name = WorkerSettings::of(config::worker_name());
        let settings = WorkerSettings { cleanup_every: Some(WorkerSettings::CLEANUP_EVERY), ..of_name };
        WorkerBuilder { piton, settings: Ok(settings) }
    }

    /// A name that is stable over restarts: a restart under it takes the old boot's jobs back at once. Only one process at a time
    /// works under a name. Default: a new name for each worker.
    pub fn name(self, name: impl AsRef<str>) -> WorkerBuilder {
        match config::given_worker_name(name.as_ref()) {
            Ok(name) => self.with(|settings| settings.name = name),
            Err(error) => WorkerBuilder { settings: Err(WorkerError::Invalid(error)), ..self },
        }
    }

    /// Number of attempts that run at once: 1 to 4096. Default 32.
    pub fn slots(self, slots: usize) -> WorkerBuilder {
        self.checked((1..=WorkerSettings::MOST_SLOTS as usize).contains(&slots), "slots are 1 to 4096", |settings| {
            settings.slots = slots
        })
    }

    /// A worker without a heartbeat for this long is gone: 2 s to a day. Default 15 s.
    pub fn lease(self, lease: Duration) -> WorkerBuilder {
        let bounds = WorkerSettings::SHORTEST_LEASE..=WorkerSettings::LONGEST_LEASE;
        self.checked(bounds.contains(&lease), "a lease is 2 s to 1 day", |settings| settings.lease = lease)
    }

    /// How long running stages may go on after a shutdown has begun. Default 30 s.
    pub fn grace(self, grace: Duration) -> WorkerBuilder {
        self.with(|settings| settings.grace = grace)
    }

    /// The artifact store, the same one for all workers: a folder, or a bucket as `s3://`, `gs://` or `abfss://`. Default: that of
    /// [its `Piton`](super::Builder::artifacts).
    pub fn artifacts(self, store: &str) -> WorkerBuilder {
        match Artifacts::at(store) {
            Ok(store) => self.with(|settings| {
                settings.artifacts = Some(store);
            }),
            Err(error) => WorkerBuilder { settings: Err(WorkerError::Invalid(error)), ..self },
        }
    }

    /// Starts to work on the workflows of its [`Piton`]. Must be called in a tokio runtime, by a program whose `main` begins with
    /// [`child`](crate::child()). While the database is away, it waits. Workers of one process have different names, and one
    /// database.
    pub fn spawn(self) -> Result<Worker, WorkerError> {
        let WorkerBuilder { piton, settings } = self;
        if !child::was_called() {
            return Err(WorkerError::NoChildCall);
        }
        let shared = piton.shared.clone();
        let settings = settings?;
        let name = OwnName::take(&settings.name)?;
        let settings = with_resources(settings, &piton)?;
        let store = Store::for_work(shared.server.clone(), shared.pooling, CONNECTIONS);
        let shutdown = Shutdown::new();
        let (asked, queues, catalog) = (shutdown.clone(), shared.workflows.clone(), shared.catalog.clone());
        let running = tokio::spawn(async move {
            let worked = worker::run(store.clone(), catalog, queues, settings, None, asked).await;
            store.close().await;
            if let Err(error) = &worked {
                tracing::error!(worker = &*name.0, "the worker has stopped: {error}");
            }
            worked.map_err(WorkerError::from)
        });
        Ok(Worker { shutdown, running: Some(running) })
    }

    fn with(mut self, set: impl FnOnce(&mut WorkerSettings)) -> WorkerBuilder {
        if let Ok(settings) = &mut self.settings {
            set(settings);
        }
        self
    }

    fn checked(self, is_right: bool, bounds: &str, set: impl FnOnce(&mut WorkerSettings)) -> WorkerBuilder {
        if is_right {
            self.with(set)
        } else {
            WorkerBuilder { settings: Err(WorkerError::Invalid(bounds.to_owned())), ..self }
        }
    }
}

/// A running worker. If this is dropped, it goes on in the background for as long as its runtime does.
#[derive(Debug)]
pub struct Worker {
    shutdown: Shutdown,
    /// `None` once its end was told.
    running: Option<JoinHandle<Result<(), WorkerError>>>,
}

impl Worker {
    /// Claims nothing more, lets running stages finish within the grace period, hands back the rest, and returns when all results
    /// are committed: what SIGTERM does to `piton worker`.
    pub async fn shutdown(mut self) -> Result<(), WorkerError> {
        self.shutdown.ask();
        self.ended().await
    }

    /// The same without waiting: running stages are handed back at once, and no failure is counted.
    pub async fn shutdown_now(mut self) -> Result<(), WorkerError> {
        self.shutdown.ask();
        self.shutdown.ask();
        self.ended().await
    }

    /// Waits until it has stopped; by itself it stops only with an error, which is also logged. May be dropped and called again:
    /// beside a signal in `tokio::select!`, for example.
    pub async fn ended(&mut self) -> Result<(), WorkerError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let ended = running.await;
        self.running = None;
        match ended {
            Ok(ended) => ended,
            Err(error) => Err(WorkerError::Broken(format!("the worker ended: {error}"))),
        }
    }
}

/// The names of the workers that live in this process.
static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A name that no other worker of this process has while this lives: between processes the database sees to that.
struct OwnName(String);

impl OwnName {
    fn take(name: &str) -> Result<OwnName, WorkerError> {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if names.insert(name.to_owned()) {
            return Ok(OwnName(name.to_owned()));
        }
        Err(WorkerError::NameTaken(format!("another worker of this process has the name `{name}`")))
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        NAMES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// With the artifact store, and with what its helpers are told.
fn with_resources(settings: WorkerSettings, piton: &Piton) -> Result<WorkerSettings, WorkerError> {
    let url = &piton.shared.url;
    let is_named = settings.artifacts.is_some() || piton.shared.artifacts.is_some();
    let artifacts = settings.artifacts.clone().or_else(|| piton.artifacts());
    // For stages that ask for it.
    if !variables::database_is(url.to_owned()) {
        let said = "another worker of this process works on another database, which stages are told of as DATABASE_URL";
        return Err(WorkerError::Invalid(said.to_owned()));
    }
    if let Some(store) = &artifacts {
        variables::artifact_store_is(store.name());
    }
    let resources = Arc::new(Resources::new(artifacts.clone(), is_named, &settings.name));
    let orders = child::Orders::of(&settings, artifacts.as_ref(), url).line();
    Ok(WorkerSettings { artifacts, resources, orders: Some(orders.into()), ..settings })
}
