//! The parts of a running worker: started together, watched, and drained in order.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::WorkerContext;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::apalis_worker::{self, Handle};
use super::keeper::Keeper;
use super::recoverer::Sighting;
use super::runners::Runners;
use super::shared::Shared;
use super::warm_programs::Reports;
use super::{Metrics, NameTaken, Role, Shutdown, WorkerError, WorkerSettings, drain, gauges};
use crate::events;
use crate::health::{Health, Phase};
use crate::model::id::{WorkerId, WorkflowId};
use crate::queue::backend::Queue;
use crate::queue::catalog::Catalog;
use crate::queue::ends::Ends;
use crate::queue::run_stage::RunStage;
use crate::queue::slots::Slots;
use crate::stage::command::{self, warm::Pools};
use crate::stage::resources::Resources;
use crate::stage::within::within;
use crate::store::Store;
use crate::store::boots::{Boot, StoppedBoot};

/// Group commits in flight at once.
const COMMITTERS: usize = 2;
/// Longest wait for results to land once everything was handed back; what has not landed then, recovery frees.
const LAST_COMMITS: Duration = Duration::from_secs(10);
/// Longest wait for a claim that was on its way when the worker was asked to stop.
const LAST_CLAIM: Duration = Duration::from_secs(3);
/// Longest wait for the database to note that the worker has stopped.
const GOODBYE: Duration = Duration::from_secs(3);

/// A running worker.
pub(super) struct Running {
    store: Store,
    slots: Arc<Slots>,
    boot: watch::Sender<WorkerId>,
    name: Arc<str>,
    grace: Duration,
    stop_claiming: CancellationToken,
    stop_keeping: CancellationToken,
    claimer: JoinHandle<()>,
    /// What runs on as long as results may land: the committers end by themselves then.
    committers: Vec<JoinHandle<()>>,
    session: JoinHandle<Option<NameTaken>>,
    /// What is stopped at the end, by name.
    keepers: Vec<(&'static str, JoinHandle<()>)>,
    runners: JoinHandle<()>,
    snapshots: Option<JoinHandle<()>>,
    health: Option<Arc<Health>>,
    /// There is nothing more to do for a runner.
    none_left: CancellationToken,
    apalis: Handle,
    warm: Arc<Pools>,
    apalis_context: WorkerContext,
}

impl Running {
    pub(super) fn start(
        store: Store,
        catalog: Arc<Catalog>,
        workflows: Vec<WorkflowId>,
        settings: WorkerSettings,
        metrics: Option<Metrics>,
        boot: Boot,
        shutdown: &Shutdown,
    ) -> Running {
        let (task_sender, tasks) = mpsc::unbounded_channel();
        let (end_sender, ends) = mpsc::unbounded_channel();
        let channels = (task_sender, Ends::new(end_sender));
        let shared = Shared::new(store, catalog, workflows, &settings, boot.id, channels);
        let warm = Arc::new(Pools::default());
        if let Some(Metrics { exporter, .. }) = &metrics {
            gauges::show(exporter, &shared, &warm);
        }
        let committer = shared.committer(&settings, ends);
        let (tell_of_suspects, suspected) = watch::channel(0);
        let runners = Runners::new(&settings, shared.store.clone(), shared.slots.clone(), shared.boot.subscribe());
        let service = RunStage::new(shared.store.clone(), shared.catalog.clone(), settings.limits, warm.clone());
        let (apalis_context, apalis) = apalis_worker::spawn(
            &settings,
            service,
            Queue { tasks, ends: shared.ends.clone(), tally: shared.starter.tally.clone() },
        );
        let session = shared.session(boot, shutdown);
        let health = metrics.as_ref().map(|metrics| metrics.health.clone());
        let (tell_of_others, sightings) = mpsc::unbounded_channel();
        let keeper = shared.keeper(&settings, tell_of_others, tell_of_suspects, health.clone());
        let stop_keeping = CancellationToken::new();
        keep_house(&shared, &settings, health.as_ref(), &stop_keeping);
        let mut keepers = keepers(&shared, &settings, keeper, sightings, &stop_keeping);
        let counted = shared.throughput(metrics.as_ref().map(|metrics| metrics.snapshot_every));
        keepers.push(("throughput", tokio::spawn(counted.run(stop_keeping.clone()))));
        let reports = Reports { store: shared.store.clone(), pools: warm.clone(), boot: shared.boot.subscribe() };
        keepers.push(("warm programs", tokio::spawn(reports.run(stop_keeping.clone()))));
        let snapshots = metrics.map(|metrics| shared.snapshots(metrics));
        Running {
            claimer: tokio::spawn(shared.claimer(&settings).run()),
            committers: (0..COMMITTERS).map(|_| tokio::spawn(committer.clone().run())).collect(),
            session: tokio::spawn(session.run(stop_keeping.clone())),
            keepers,
            snapshots: snapshots.map(|snapshots| tokio::spawn(snapshots.run(stop_keeping.clone()))),
            health,
            runners: tokio::spawn(runners.run(suspected, shutdown.clone())),
            apalis,
            warm,
            apalis_context,
            store: shared.store,
            slots: shared.slots,
            boot: shared.boot,
            name: shared.starter.worker_name,
            grace: settings.grace,
            stop_claiming: shared.stop_claiming,
            stop_keeping,
            none_left: shared.none_left,
        }
    }

    /// Works until asked to stop or until a part fails, then drains (SPEC section 7).
    pub(super) async fn until(mut self, shutdown: Shutdown) -> Result<(), WorkerError> {
        let none_left = self.none_left.clone();
        let stopped = tokio::select! {
            () = shutdown.asked() => None,
            () = none_left.cancelled() => None,
            part = self.part_stopped() => Some(part),
        };
        self.stop_claiming.cancel();
        let is_broken = matches!(stopped, Some(Err(_)));
        if let Some(health) = &self.health {
            health.liveness.enters(if is_broken { Phase::Broken } else { Phase::Draining });
        }
        let taken = match stopped {
            Some(Err(part)) => return Err(WorkerError::PartStopped(part)),
            Some(Ok(taken)) => {
                // Nothing that still runs can be committed: it is handed back at once, as by a second signal.
                shutdown.ask();
                shutdown.ask();
                Some(taken)
            }
            None => None,
        };
        self.drain(&shutdown).await;
        taken.map_or(Ok(()), |taken| Err(taken.into()))
    }

    async fn drain(mut self, shutdown: &Shutdown) {
        // A claim that is on its way counts among what runs.
        let claimer = std::mem::replace(&mut self.claimer, tokio::spawn(async {}));
        drain::wait_for_stages(&self.name, &self.slots, last_claim(claimer), self.grace, shutdown).await;
        if shutdown.is_asked() {
            (&mut self.runners).await.ok();
        }
        let landed = within(LAST_COMMITS, self.finish()).await.is_some();
        if !landed {
            tracing::warn!("the last results did not land in time; recovery will free their jobs");
        }
    }

    async fn finish(self) {
        self.slots.drained().await;
        // No attempt needs one any more.
        self.warm.stop().await;
        apalis_worker::stop(&self.apalis_context, self.apalis).await;
        for committer in self.committers {
            joined("committer", committer).await;
        }
        self.stop_keeping.cancel();
        let id = *self.boot.borrow();
        let goodbye = async {
            if !self.session.is_finished() {
                joined("session", self.session).await;
            }
            for (part, keeper) in self.keepers {
                joined(part, keeper).await;
            }
            if let Some(snapshots) = self.snapshots {
                joined("snapshot", snapshots).await;
            }
            if let Some(StoppedBoot { name, boot }) = self.store.stop_worker(id).await? {
                events::worker::stopped(&name, &boot);
            }
            self.store.clear(id).await
        };
        // Nothing is lost without it: a database that is silent does not hold it up.
        match tokio::time::timeout(GOODBYE, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("could not say goodbye to the database: {error}"),
            Err(_) => tracing::warn!("could not say goodbye to the database: it does not answer"),
        }
    }

    /// Which part stopped by itself; none does unless it panicked, or another process has this worker's name.
    async fn part_stopped(&mut self) -> Result<NameTaken, &'static str> {
        let [first, second] = self.committers.as_mut_slice() else { return Err("committer") };
        let keepers: Vec<&'static str> = self.keepers.iter().map(|(part, _)| *part).collect();
        let keeper = futures_util::future::select_all(self.keepers.iter_mut().map(|(_, keeper)| keeper));
        Err(tokio::select! {
            _ = &mut self.claimer => "claimer",
            _ = first => "committer",
            _ = second => "committer",
            ended = &mut self.session => match ended {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) | Err(_) => "session",
            },
            (_, which, _) = keeper => keepers.get(which).copied().unwrap_or("keeper"),
            _ = &mut self.apalis => "apalis worker",
        })
    }
}

/// What a claim brings that is not answered in time, recovery frees: it belongs to a worker that has shut down.
async fn last_claim(claimer: JoinHandle<()>) {
    let handle = claimer.abort_handle();
    if tokio::time::timeout(LAST_CLAIM, joined("claimer", claimer)).await.is_err() {
        handle.abort();
        tracing::warn!("the last claim has no answer; recovery will free what it claimed");
    }
}

/// Starts what goes on beside the work, and is not missed when it ends.
fn keep_house(shared: &Shared, settings: &WorkerSettings, health: Option<&Arc<Health>>, stop: &CancellationToken) {
    if let Some(cleaner) = shared.cleaner(settings) {
        tokio::spawn(cleaner.run(stop.clone()));
    }
    if let Some(scheduler) = shared.scheduler(settings) {
        tokio::spawn(scheduler.run(stop.clone()));
    }
    if let Some(feeder) = shared.feeder(settings) {
        tokio::spawn(feeder.run(stop.clone()));
    }
    tokio::spawn(shared.surroundings().run(stop.clone()));
    if let Some(health) = health {
        tokio::spawn(health.clone().check(shared.watched(), stop.clone()));
        health.liveness.enters(Phase::Claiming);
    }
}

/// What a worker does by itself, beside its work.
fn keepers(
    shared: &Shared,
    settings: &WorkerSettings,
    keeper: Keeper,
    sightings: mpsc::UnboundedReceiver<Sighting>,
    stop: &CancellationToken,
) -> Vec<(&'static str, JoinHandle<()>)> {
    let mut keepers = vec![
        ("keeper", tokio::spawn(keeper.run(stop.clone()))),
        ("progress", tokio::spawn(shared.progress(settings).run(stop.clone()))),
        ("shortages", tokio::spawn(shared.shortages().run(stop.clone()))),
        ("resources", tokio::spawn(watch(shared.starter.resources.clone(), shared.slots.clone(), stop.clone()))),
    ];
    // A process that runs suspects leaves the rest to the worker that started it, without which it ends.
    if settings.role == Role::Ordinary {
        keepers.push(("recoverer", tokio::spawn(shared.recoverer(sightings).run(stop.clone()))));
        keepers.push(("deadlines", tokio::spawn(shared.deadlines().run(stop.clone()))));
    }
    keepers
}

/// Looks for what is lacking, and uses more slots again where some were given up for it.
async fn watch(resources: Arc<Resources>, slots: Arc<Slots>, stop: CancellationToken) {
    tokio::select! {
        () = resources.watch(stop) => {}
        () = slots.grow() => {}
        () = command::keep_deleting_abandoned() => {}
    }
    // No attempt is left that reads of it.
    resources.files().clear().await;
}

async fn joined<T>(part: &str, handle: JoinHandle<T>) {
    if let Err(error) = handle.await {
        tracing::error!("the {part} did not end well: {error}");
    }
}
