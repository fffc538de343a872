//! One running worker, from boot to exit.

mod drain;
mod keeper;
mod runners;
mod session;

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::*;
use sqlx::types::Uuid;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use drain::Shutdown;
pub(crate) use runners::RUNS_SUSPECTS_OF;

use crate::model::id::{WorkerId, WorkflowId};
use crate::model::payload::PayloadLimits;
use crate::model::retry::RetryPolicy;
use crate::queue::backend::Queue;
use crate::queue::catalog::Catalog;
use crate::queue::claimer::Claimer;
use crate::queue::committer::Committer;
use crate::queue::cursors::Cursors;
use crate::queue::lookout::Lookout;
use crate::queue::run_stage::{RunStage, panicked};
use crate::queue::slots::Slots;
use crate::queue::starter::Starter;
use crate::queue::time_limit::TimeLimitLayer;
use crate::queue::wake::Wake;
use crate::recovery::Recovery;
use crate::store::backoff::Backoff;
use crate::store::workers::Boot;
use crate::store::{Store, StoreError};

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
    pub(crate) role: Role,
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

/// Group commits in flight at once.
const COMMITTERS: usize = 2;
/// Between two requests to stop.
const TELL_AGAIN: Duration = Duration::from_millis(100);
/// Longest wait for results to land once everything was handed back; what has not landed then, recovery frees.
const LAST_COMMITS: Duration = Duration::from_secs(10);

/// Works until `shutdown` says otherwise.
pub(crate) async fn run(
    store: Store,
    catalog: Arc<Catalog>,
    workflows: Vec<WorkflowId>,
    settings: Settings,
    shutdown: Shutdown,
) -> Result<(), WorkerError> {
    let boot = new_boot(&settings.name);
    let id = register(&store, &boot, &shutdown).await?;
    let Some(id) = id else { return Ok(()) };
    tracing::info!(worker = boot.name, boot = %boot.boot_id, slots = settings.slots, "worker started");
    Running::start(store, catalog, workflows, settings, boot, id, &shutdown).until(shutdown).await
}

fn new_boot(name: &str) -> Boot {
    Boot {
        boot_id: Uuid::now_v7(),
        name: name.to_owned(),
        host: crate::config::host_name(),
        pid: std::process::id().cast_signed(),
    }
}

/// Registers, waiting for a database that is away; `None` when a signal came first.
async fn register(store: &Store, boot: &Boot, shutdown: &Shutdown) -> Result<Option<WorkerId>, StoreError> {
    let mut backoff = Backoff::default();
    loop {
        match store.register_worker(boot).await {
            Ok(id) => return Ok(Some(id)),
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

/// The parts of a running worker.
struct Running {
    store: Store,
    slots: Arc<Slots>,
    boot: watch::Sender<WorkerId>,
    grace: Duration,
    stop_claiming: CancellationToken,
    stop_keeping: CancellationToken,
    claimer: JoinHandle<()>,
    committers: Vec<JoinHandle<()>>,
    keepers: Vec<JoinHandle<()>>,
    runners: JoinHandle<()>,
    /// There is nothing more to do for a runner.
    none_left: CancellationToken,
    apalis: JoinHandle<Result<(), apalis_core::error::WorkerError>>,
    apalis_context: WorkerContext,
}

impl Running {
    fn start(
        store: Store,
        catalog: Arc<Catalog>,
        workflows: Vec<WorkflowId>,
        settings: Settings,
        boot: Boot,
        id: WorkerId,
        shutdown: &Shutdown,
    ) -> Running {
        let runs_alone = settings.role == Role::Runner;
        let (slots, wake) = (Slots::new(settings.slots), Arc::new(Wake::default()));
        let (boot_number, boot_seen) = watch::channel(id);
        let (task_sender, tasks) = mpsc::unbounded_channel();
        let (end_sender, ends) = mpsc::unbounded_channel();
        let (stop_claiming, stop_keeping) = (CancellationToken::new(), CancellationToken::new());
        let none_left = CancellationToken::new();
        let lookout = Arc::new(Lookout::new(
            store.clone(),
            catalog.clone(),
            workflows.clone(),
            boot_seen.clone(),
            settings.lease,
            wake.clone(),
            // What a suspect leads to is no suspect: a runner passes nothing on.
            if runs_alone { stopped() } else { stop_claiming.clone() },
        ));
        let worker_name = settings.name.as_str().into();
        let starter = Starter {
            slots: slots.clone(),
            worker_name,
            store: store.clone(),
            limits: settings.limits,
            tasks: task_sender,
        };
        let committer = Committer {
            store: store.clone(),
            slots: slots.clone(),
            wake: wake.clone(),
            lookout: lookout.clone(),
            starter: starter.clone(),
            limits: settings.limits,
            default_policy: RetryPolicy::default(),
            ends: Arc::new(Mutex::new(ends)),
        };
        let claimer = Claimer {
            store: store.clone(),
            catalog: catalog.clone(),
            slots: slots.clone(),
            wake: wake.clone(),
            lookout: lookout.clone(),
            starter,
            boot: boot_seen.clone(),
            limits: settings.limits,
            ends: end_sender.clone(),
            cursors: Cursors::new(workflows),
            alone: runs_alone.then(|| none_left.clone()),
            stop: stop_claiming.clone(),
        };
        let (tell_of_suspects, suspected) = watch::channel(0);
        let runners = runners::Runners::new(&settings.name, slots.clone());
        let runners = tokio::spawn(runners.run(suspected, shutdown.clone()));
        let (apalis_context, apalis) =
            spawn_apalis(&settings, RunStage::new(catalog, settings.limits), Queue { tasks, ends: end_sender });
        let session = session::Session::new(store.clone(), wake.clone(), boot_seen);
        let keeper = keeper::Keeper {
            store: store.clone(),
            slots: slots.clone(),
            wake,
            lookout,
            boot,
            number: boot_number.clone(),
            lock_held: session.lock_held(),
            lease: settings.lease,
            poll: settings.poll,
            recovery: Recovery::default(),
            suspected: (!runs_alone).then_some(tell_of_suspects),
        };
        let keepers =
            vec![tokio::spawn(session.run(stop_keeping.clone())), tokio::spawn(keeper.run(stop_keeping.clone()))];
        Running {
            store,
            slots,
            boot: boot_number,
            grace: settings.grace,
            stop_claiming,
            stop_keeping,
            claimer: tokio::spawn(claimer.run()),
            committers: (0..COMMITTERS).map(|_| tokio::spawn(committer.clone().run())).collect(),
            keepers,
            runners,
            none_left,
            apalis,
            apalis_context,
        }
    }

    /// Works until asked to stop or until a part fails, then drains (SPEC section 7).
    async fn until(mut self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let none_left = self.none_left.clone();
        let failed = tokio::select! {
            () = shutdown.asked() => None,
            () = none_left.cancelled() => None,
            part = self.part_stopped() => Some(part),
        };
        self.stop_claiming.cancel();
        if let Some(part) = failed {
            return Err(WorkerError::PartStopped(part));
        }
        // A claim that is on its way counts among what runs.
        let claimer = std::mem::replace(&mut self.claimer, tokio::spawn(async {}));
        drain::wait_for_stages(&self.slots, joined("claimer", claimer), self.grace, &shutdown).await;
        if shutdown.is_asked() {
            (&mut self.runners).await.ok();
        }
        let landed = tokio::time::timeout(LAST_COMMITS, self.finish()).await.is_ok();
        if !landed {
            tracing::warn!("the last results did not land in time; recovery will free their jobs");
        }
        Ok(())
    }

    async fn finish(self) {
        self.slots.drained().await;
        stop_apalis(&self.apalis_context, self.apalis).await;
        for committer in self.committers {
            joined("committer", committer).await;
        }
        self.stop_keeping.cancel();
        for keeper in self.keepers {
            joined("keeper", keeper).await;
        }
        let id = *self.boot.borrow();
        if let Err(error) = self.store.stop_worker(id).await {
            tracing::warn!("could not say goodbye to the database: {error}");
        }
    }

    /// Which part stopped by itself; none does unless it panicked.
    async fn part_stopped(&mut self) -> &'static str {
        let [first, second] = self.committers.as_mut_slice() else { return "committer" };
        let [session, keeper] = self.keepers.as_mut_slice() else { return "keeper" };
        tokio::select! {
            _ = &mut self.claimer => "claimer",
            _ = first => "committer",
            _ = second => "committer",
            _ = session => "session",
            _ = keeper => "keeper",
            _ = &mut self.apalis => "apalis worker",
        }
    }
}

fn stopped() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

fn spawn_apalis(
    settings: &Settings,
    service: RunStage,
    queue: Queue,
) -> (WorkerContext, JoinHandle<Result<(), apalis_core::error::WorkerError>>) {
    let context = WorkerContext::new(&settings.name);
    let worker = WorkerBuilder::new(context.clone())
        .backend(queue)
        .concurrency(settings.slots)
        .layer(apalis::layers::catch_panic::CatchPanicLayer::with_panic_handler(panicked))
        .layer(TimeLimitLayer)
        .build(service);
    (context, tokio::spawn(worker.run()))
}

/// An apalis worker that is told to stop before it has quite started does not hear it: it is told until it has stopped.
async fn stop_apalis(context: &WorkerContext, mut worker: JoinHandle<Result<(), apalis_core::error::WorkerError>>) {
    loop {
        if let Err(error) = context.stop() {
            tracing::debug!("apalis cannot be stopped: {error}");
        }
        match tokio::time::timeout(TELL_AGAIN, &mut worker).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => return tracing::error!("the apalis worker did not end well: {error}"),
            Err(_) => {}
        }
    }
}

async fn joined<T>(part: &str, handle: JoinHandle<T>) {
    if let Err(error) = handle.await {
        tracing::error!("the {part} did not end well: {error}");
    }
}
