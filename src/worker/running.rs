//! The parts of a running worker: started together, watched, and drained in order.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::WorkerContext;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::apalis_worker::{self, Handle};
use super::runners::Runners;
use super::session::Session;
use super::shared::Shared;
use super::{Metrics, Settings, Shutdown, WorkerError, drain, gauges};
use crate::health::{Health, Phase};
use crate::model::id::{WorkerId, WorkflowId};
use crate::queue::backend::Queue;
use crate::queue::catalog::Catalog;
use crate::queue::ends::Ends;
use crate::queue::run_stage::RunStage;
use crate::queue::slots::Slots;
use crate::stage::within::within;
use crate::store::Store;
use crate::store::workers::Boot;

/// Group commits in flight at once.
const COMMITTERS: usize = 2;
/// Longest wait for results to land once everything was handed back; what has not landed then, recovery frees.
const LAST_COMMITS: Duration = Duration::from_secs(10);

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
    committers: Vec<JoinHandle<()>>,
    keepers: Vec<JoinHandle<()>>,
    runners: JoinHandle<()>,
    snapshots: Option<JoinHandle<()>>,
    health: Option<Arc<Health>>,
    /// There is nothing more to do for a runner.
    none_left: CancellationToken,
    apalis: Handle,
    apalis_context: WorkerContext,
}

impl Running {
    pub(super) fn start(
        store: Store,
        catalog: Arc<Catalog>,
        workflows: Vec<WorkflowId>,
        settings: Settings,
        metrics: Option<Metrics>,
        (boot, id): (Boot, WorkerId),
        shutdown: &Shutdown,
    ) -> Running {
        let (task_sender, tasks) = mpsc::unbounded_channel();
        let (end_sender, ends) = mpsc::unbounded_channel();
        let shared = Shared::new(store, catalog, workflows, &settings, id, (task_sender, Ends::new(end_sender)));
        if let Some(Metrics { exporter, .. }) = &metrics {
            gauges::show(exporter, &shared);
        }
        let committer = shared.committer(&settings, ends);
        let (tell_of_suspects, suspected) = watch::channel(0);
        let runners = Runners::new(&settings, shared.store.clone(), shared.slots.clone(), shared.boot.subscribe());
        let service = RunStage::new(shared.catalog.clone(), settings.limits);
        let (apalis_context, apalis) =
            apalis_worker::spawn(&settings, service, Queue { tasks, ends: shared.ends.clone() });
        let session =
            Session::new(shared.store.clone(), shared.wake.clone(), shared.lookout.clone(), shared.boot.subscribe());
        let health = metrics.as_ref().map(|metrics| metrics.health.clone());
        let keeper = shared.keeper(&settings, boot, session.lock_held(), tell_of_suspects, health.clone());
        let stop_keeping = CancellationToken::new();
        if let Some(cleaner) = shared.cleaner(&settings) {
            tokio::spawn(cleaner.run(stop_keeping.clone()));
        }
        if let Some(feeder) = shared.feeder(&settings) {
            tokio::spawn(feeder.run(stop_keeping.clone()));
        }
        if let Some(health) = &health {
            tokio::spawn(health.clone().check(shared.watched(), stop_keeping.clone()));
            health.pulse.enters(Phase::Claiming);
        }
        let snapshots = metrics.map(|metrics| shared.snapshots(metrics));
        Running {
            claimer: tokio::spawn(shared.claimer(&settings).run()),
            committers: (0..COMMITTERS).map(|_| tokio::spawn(committer.clone().run())).collect(),
            keepers: vec![
                tokio::spawn(session.run(stop_keeping.clone())),
                tokio::spawn(keeper.run(stop_keeping.clone())),
            ],
            snapshots: snapshots.map(|snapshots| tokio::spawn(snapshots.run(stop_keeping.clone()))),
            health,
            runners: tokio::spawn(runners.run(suspected, shutdown.clone())),
            apalis,
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
        let failed = tokio::select! {
            () = shutdown.asked() => None,
            () = none_left.cancelled() => None,
            part = self.part_stopped() => Some(part),
        };
        self.stop_claiming.cancel();
        if let Some(health) = &self.health {
            health.pulse.enters(if failed.is_some() { Phase::Broken } else { Phase::Draining });
        }
        if let Some(part) = failed {
            return Err(WorkerError::PartStopped(part));
        }
        // A claim that is on its way counts among what runs.
        let claimer = std::mem::replace(&mut self.claimer, tokio::spawn(async {}));
        drain::wait_for_stages(&self.name, &self.slots, joined("claimer", claimer), self.grace, &shutdown).await;
        if shutdown.is_asked() {
            (&mut self.runners).await.ok();
        }
        let landed = within(LAST_COMMITS, self.finish()).await.is_some();
        if !landed {
            tracing::warn!("the last results did not land in time; recovery will free their jobs");
        }
        Ok(())
    }

    async fn finish(self) {
        self.slots.drained().await;
        apalis_worker::stop(&self.apalis_context, self.apalis).await;
        for committer in self.committers {
            joined("committer", committer).await;
        }
        self.stop_keeping.cancel();
        for keeper in self.keepers {
            joined("keeper", keeper).await;
        }
        if let Some(snapshots) = self.snapshots {
            joined("snapshot", snapshots).await;
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

async fn joined<T>(part: &str, handle: JoinHandle<T>) {
    if let Err(error) = handle.await {
        tracing::error!("the {part} did not end well: {error}");
    }
}
