//! The parts of a running worker: started together, watched, and drained in order.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::WorkerContext;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::apalis_worker::{self, Handle};
use super::{Role, Settings, Shutdown, WorkerError, drain, keeper, runners, session};
use crate::model::id::{WorkerId, WorkflowId};
use crate::model::retry::RetryPolicy;
use crate::queue::backend::Queue;
use crate::queue::catalog::Catalog;
use crate::queue::claimer::Claimer;
use crate::queue::committer::Committer;
use crate::queue::cursors::Cursors;
use crate::queue::lookout::Lookout;
use crate::queue::run_stage::RunStage;
use crate::queue::slots::Slots;
use crate::queue::starter::Starter;
use crate::queue::wake::Wake;
use crate::recovery::Recovery;
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
    grace: Duration,
    stop_claiming: CancellationToken,
    stop_keeping: CancellationToken,
    claimer: JoinHandle<()>,
    committers: Vec<JoinHandle<()>>,
    keepers: Vec<JoinHandle<()>>,
    runners: JoinHandle<()>,
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
        let runners = runners::Runners::new(&settings, store.clone(), slots.clone(), boot_seen.clone());
        let runners = tokio::spawn(runners.run(suspected, shutdown.clone()));
        let (apalis_context, apalis) =
            apalis_worker::spawn(&settings, RunStage::new(catalog, settings.limits), Queue { tasks, ends: end_sender });
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
            recovery: Recovery::new(),
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
    pub(super) async fn until(mut self, shutdown: Shutdown) -> Result<(), WorkerError> {
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
        apalis_worker::stop(&self.apalis_context, self.apalis).await;
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

async fn joined<T>(part: &str, handle: JoinHandle<T>) {
    if let Err(error) = handle.await {
        tracing::error!("the {part} did not end well: {error}");
    }
}
