//! What the parts of a worker share, and the parts made from it.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::task::Task;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::cleaner::Cleaner;
use super::deadlines::Deadlines;
use super::feeder::Feeder;
use super::heartbeats::Heartbeats;
use super::keeper::{Keeper, Signals};
use super::progress::Progress;
use super::recoverer::{Recoverer, Sighting};
use super::scheduler::Scheduler;
use super::session::Session;
use super::shortages::Shortages;
use super::snapshot::{SeenStages, Snapshots, Sweep};
use super::surroundings::Surroundings;
use super::throughput::{self, Additions, Throughput};
use super::{Metrics, Role, Shutdown, WorkerSettings};
use crate::health::{Health, JobsEnded, Watched, Work};
use crate::meters::batches::BatchMeters;
use crate::meters::catalog::RESULTS_WAITING;
use crate::model::id::{WorkerId, WorkflowId};
use crate::model::retry::RetryPolicy;
use crate::queue::aside::Left;
use crate::queue::catalog::Catalog;
use crate::queue::claimer::Claimer;
use crate::queue::committer::Committer;
use crate::queue::cursors::Cursors;
use crate::queue::ended::Ended;
use crate::queue::ends::Ends;
use crate::queue::monitor::Monitor;
use crate::queue::room::Room;
use crate::queue::run_stage::StageTask;
use crate::queue::slots::Slots;
use crate::queue::starter::Starter;
use crate::queue::wake::Wake;
use crate::recovery::Recovery;
use crate::store::Store;
use crate::store::boots::Boot;

/// Longest time between two looks where no notification can be heard.
const UNHEARD_POLL: Duration = Duration::from_millis(400);

/// What the parts share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) workflows: Vec<WorkflowId>,
    pub(super) slots: Arc<Slots>,
    pub(super) wake: Arc<Wake>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) boot: watch::Sender<WorkerId>,
    pub(super) heartbeats: Arc<Heartbeats>,
    pub(super) signals: Signals,
    pub(super) starter: Starter,
    /// Committers end when every copy of it is gone.
    pub(super) ends: Ends,
    pub(super) stop_claiming: CancellationToken,
    pub(super) none_left: CancellationToken,
}

impl Shared {
    pub(super) fn new(
        store: Store,
        catalog: Arc<Catalog>,
        workflows: Vec<WorkflowId>,
        settings: &WorkerSettings,
        id: WorkerId,
        (tasks, ends): (mpsc::UnboundedSender<Task<Box<StageTask>>>, Ends),
    ) -> Shared {
        let (slots, wake, boot) = (Slots::new(settings.slots), Arc::new(Wake::default()), watch::Sender::new(id));
        let (stop_claiming, none_left) = (CancellationToken::new(), CancellationToken::new());
        let (heartbeats, signals) = (Arc::new(Heartbeats::new(settings.lease)), Signals::default());
        let monitor = Arc::new(Monitor::new(
            store.clone(),
            catalog.clone(),
            workflows.clone(),
            boot.subscribe(),
            settings.lease,
            wake.clone(),
            // What a suspect leads to is no suspect: a runner passes nothing on.
            if settings.role == Role::Runner { stopped() } else { stop_claiming.clone() },
        ));
        let starter = Starter {
            slots: slots.clone(),
            worker_name: settings.name.as_str().into(),
            store: Arc::new(store.clone()),
            for_stages: Arc::new(store.for_stages()),
            resources: settings.resources.clone(),
            limits: settings.limits,
            room: Room::of(settings.limits.input_memory_bytes),
            tasks,
            tally: Arc::default(),
            stopping: Arc::new(stop_claiming.clone()),
        };
        Shared {
            store,
            catalog,
            workflows,
            slots,
            wake,
            monitor,
            boot,
            heartbeats,
            signals,
            starter,
            ends,
            stop_claiming,
            none_left,
        }
    }

    pub(super) fn claimer(&self, settings: &WorkerSettings) -> Claimer {
        Claimer {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            slots: self.slots.clone(),
            wake: self.wake.clone(),
            monitor: self.monitor.clone(),
            starter: self.starter.clone(),
            boot: self.boot.subscribe(),
            limits: settings.limits,
            ends: self.ends.clone(),
            meters: BatchMeters::of_claims(),
            cursors: Cursors::new(self.workflows.clone()),
            alone: (settings.role == Role::Runner).then(|| self.none_left.clone()),
            stop: self.stop_claiming.clone(),
            has_looked: false,
            limited_first: false,
            left: Left::default(),
        }
    }

    pub(super) fn committer(&self, settings: &WorkerSettings, ends: mpsc::UnboundedReceiver<Ended>) -> Committer {
        Committer {
            store: self.store.clone(),
            slots: self.slots.clone(),
            wake: self.wake.clone(),
            monitor: self.monitor.clone(),
            starter: self.starter.clone(),
            limits: settings.limits,
            default_policy: RetryPolicy::default(),
            ends: Arc::new(Mutex::new(ends)),
            meters: BatchMeters::of_commits(),
            waiting: RESULTS_WAITING.gauge(&[]),
        }
    }

    pub(super) fn snapshots(&self, metrics: Metrics) -> Snapshots {
        Snapshots {
            store: self.store.patient(),
            exporter: metrics.exporter,
            boot: self.boot.subscribe(),
            every: metrics.snapshot_every,
            sweep: Sweep::default(),
            seen: SeenStages::default(),
            settled: None,
        }
    }

    /// `snapshot_every`: what is shown as often wants to be counted as often.
    pub(super) fn throughput(&self, snapshot_every: Option<Duration>) -> Throughput {
        Throughput {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            boot: self.boot.subscribe(),
            every: snapshot_every.map_or(throughput::EVERY, |every| every.min(throughput::EVERY)),
            additions: Additions::default(),
        }
    }

    pub(super) fn cleaner(&self, settings: &WorkerSettings) -> Option<Cleaner> {
        Some(Cleaner {
            store: self.store.patient(),
            artifacts: settings.artifacts.clone(),
            boot: self.boot.subscribe(),
            every: settings.cleanup_every?,
        })
    }

    /// None in a process that runs suspects.
    pub(super) fn feeder(&self, settings: &WorkerSettings) -> Option<Feeder> {
        let feeder = Feeder { store: self.store.patient(), monitor: self.monitor.clone() };
        (settings.role == Role::Ordinary).then_some(feeder)
    }

    /// None in a process that runs suspects.
    pub(super) fn scheduler(&self, settings: &WorkerSettings) -> Option<Scheduler> {
        let (store, workflows) = (self.store.patient(), self.workflows.clone());
        let scheduler = Scheduler { store, workflows, due: self.signals.schedules.clone() };
        (settings.role == Role::Ordinary).then_some(scheduler)
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings { catalog: self.catalog.clone(), wake: self.wake.clone() }
    }

    /// The worker as its health is checked.
    pub(super) fn watched(&self) -> Watched {
        let catalog = self.catalog.clone();
        let ended = move || {
            let (done, given_up) = catalog.jobs();
            JobsEnded { done, given_up }
        };
        let resources = self.starter.resources.clone();
        let (wake, slots, tally) = (self.wake.clone(), self.slots.clone(), self.starter.tally.clone());
        let (stopped, claims_with) = (self.stop_claiming.clone(), resources.clone());
        let work = move || {
            let ((rounds, is_ready), (handed_over, begun)) = (wake.rounds(), tally.counts());
            let may_claim = !stopped.is_cancelled() && slots.free() > 0 && !claims_with.keep_everything_back();
            Work { rounds, is_due: is_ready && may_claim, handed_over, begun }
        };
        Watched {
            store: self.store.clone(),
            worker: self.starter.worker_name.clone(),
            ended: Box::new(ended),
            resources,
            work: Box::new(work),
        }
    }

    pub(super) fn session(&self, boot: Boot, shutdown: &Shutdown) -> Session {
        Session {
            store: self.store.clone(),
            catalog: self.catalog.clone(),
            slots: self.slots.clone(),
            wake: self.wake.clone(),
            signals: self.signals.clone(),
            heartbeats: self.heartbeats.clone(),
            boot,
            number: self.boot.clone(),
            shutdown: shutdown.clone(),
            was_up: false,
        }
    }

    /// `told` is told how many suspects wait.
    pub(super) fn keeper(
        &self,
        settings: &WorkerSettings,
        sightings: mpsc::UnboundedSender<Sighting>,
        told: watch::Sender<usize>,
        health: Option<Arc<Health>>,
    ) -> Keeper {
        Keeper {
            monitor: self.monitor.clone(),
            slots: self.slots.clone(),
            heartbeats: self.heartbeats.clone(),
            // Nobody wakes us there.
            poll: if self.store.is_pooled() { settings.poll.min(UNHEARD_POLL) } else { settings.poll },
            signals: self.signals.clone(),
            sightings,
            suspected: (settings.role == Role::Ordinary).then_some(told),
            health,
        }
    }

    pub(super) fn recoverer(&self, sightings: mpsc::UnboundedReceiver<Sighting>) -> Recoverer {
        Recoverer {
            store: self.store.clone(),
            wake: self.wake.clone(),
            recovery: Recovery::new(crate::config::host_name()),
            boot: self.boot.subscribe(),
            sightings,
            look_now: self.signals.look_now.clone(),
        }
    }

    pub(super) fn deadlines(&self) -> Deadlines {
        Deadlines { store: self.store.patient(), overdue: self.signals.overdue.clone() }
    }

    pub(super) fn shortages(&self) -> Shortages {
        Shortages { store: self.store.clone(), catalog: self.catalog.clone(), boot: self.boot.subscribe() }
    }

    pub(super) fn progress(&self, settings: &WorkerSettings) -> Progress {
        let ask_after = self.heartbeats.every();
        let every = settings.poll.min(ask_after);
        Progress { store: self.store.clone(), slots: self.slots.clone(), every, ask_after }
    }
}

fn stopped() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}
