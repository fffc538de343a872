//! The processes of the warm stages of one worker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::lease::Lease;
use super::life::{self, Report};
use super::members::{Member, Members, State, Waiter};
use super::origin::Origin;
use super::rest::Rest;
use crate::events;
use crate::meters::catalog::{WARM_START_SECONDS, WARM_STARTS};
use crate::model::failure::Failure;
use crate::model::resource::Resource;
use crate::stage::handler::Offer;
use crate::workflow::definition::CommandStage;

/// Longest wait for all of them to end.
const LAST_ENDS: Duration = Duration::from_secs(6);

type ByStage = HashMap<(Arc<str>, Arc<str>), Arc<Pool>>;

/// All of them, by workflow and stage.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pools: Mutex<ByStage>,
    stop: CancellationToken,
}

/// How many processes of a stage are in a state.
#[derive(Debug)]
pub(crate) struct Count {
    pub(crate) workflow: Arc<str>,
    pub(crate) stage: Arc<str>,
    pub(crate) state: State,
    pub(crate) processes: usize,
}

impl Pools {
    /// A process for that attempt, once one is free or started. How long it waits is bounded by the others' jobs, and by
    /// `start_timeout`.
    pub(super) async fn lease(&self, stage: &CommandStage, offer: &Offer) -> Result<Lease, Failure> {
        let about = &*offer.context.about;
        let key = (about.workflow.clone(), about.stage.clone());
        let pool = self.lock().entry(key).or_insert_with(|| Arc::new(Pool::new(self.stop.clone()))).clone();
        pool.lease(stage, offer).await
    }

    /// Until when a stage is not to be tried again here, because its program did not start.
    pub(crate) fn resting(&self, workflow: &Arc<str>, stage: &Arc<str>) -> Option<Instant> {
        let pool = self.lock().get(&(workflow.clone(), stage.clone())).cloned()?;
        pool.lock().rest.until(Instant::now())
    }

    /// All states of every stage that has had a process.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let pools = self.lock();
        let counts = pools.iter().flat_map(|((workflow, stage), pool)| {
            let members = &pool.lock().members;
            let count = |state: &State| (*state, members.in_state(*state));
            let counts: Vec<_> = State::ALL.iter().map(count).collect();
            let (workflow, stage) = (workflow.clone(), stage.clone());
            counts.into_iter().map(move |(state, processes)| Count {
                workflow: workflow.clone(),
                stage: stage.clone(),
                state,
                processes,
            })
        });
        counts.collect()
    }

    /// Ends all of them. No attempt is left that needs one.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let pools: Vec<Arc<Pool>> = self.lock().values().cloned().collect();
        let ended = async {
            for pool in pools {
                pool.ended().await;
            }
        };
        if tokio::time::timeout(LAST_ENDS, ended).await.is_err() {
            tracing::warn!("warm programs have not ended in time; their guards end them");
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByStage> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The processes of one stage, of whichever versions of its workflow.
#[derive(Debug)]
struct Pool {
    inner: Mutex<Inner>,
    stop: CancellationToken,
    /// A process has gone.
    gone: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Inner {
    members: Members,
    rest: Rest,
}

impl Pool {
    fn new(stop: CancellationToken) -> Pool {
        Pool { inner: Mutex::default(), stop, gone: tokio::sync::Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn lease(self: &Arc<Self>, stage: &CommandStage, offer: &Offer) -> Result<Lease, Failure> {
        let (give, given) = oneshot::channel();
        {
            let mut inner = self.lock();
            if inner.rest.until(Instant::now()).is_some() {
                return Err(not_now());
            }
            let origin = inner.members.origin_of(stage).unwrap_or_else(|| Arc::new(origin(stage, offer)));
            inner.members.wait(Waiter { origin, since: Instant::now(), give });
            self.serve(&mut inner);
        }
        // The pool lives as long as its worker, and answers everybody.
        given.await.unwrap_or_else(|_| Err(not_now()))
    }

    /// Gives processes to those that wait, and starts more where there may be more.
    fn serve(self: &Arc<Self>, inner: &mut Inner) {
        inner.members.serve(Instant::now());
        while let Some(origin) = inner.members.to_start() {
            let (orders, taken) = mpsc::unbounded_channel();
            let number = inner.members.add(Member::starting(origin.clone(), orders));
            let pool = self.clone();
            let tell = Box::new(move |report| pool.heard(number, report));
            tokio::spawn(life::live(origin, taken, self.stop.clone(), tell));
        }
    }

    fn heard(self: &Arc<Self>, number: u64, report: Report) -> bool {
        let mut inner = self.lock();
        let mut answer = true;
        match report {
            Report::Ready(place) => {
                if let Some(origin) = inner.members.is_ready(number, place.clone()) {
                    let labels = [&*origin.workflow, &*origin.stage];
                    WARM_STARTS.counter(&[labels[0], labels[1], "ready"]).increment(1);
                    WARM_START_SECONDS.histogram(&labels).record(place.took);
                    let took_ms = u64::try_from(place.took.as_millis()).unwrap_or(u64::MAX);
                    events::program::started(&origin.workflow, &origin.stage, &origin.worker, took_ms);
                }
                inner.rest.end();
            }
            Report::NotStarted(failure) => {
                if let Some(origin) = inner.members.remove(number) {
                    let rest = inner.rest.begin(Instant::now());
                    WARM_STARTS.counter(&[&origin.workflow, &origin.stage, "failed"]).increment(1);
                    let (workflow, stage, worker) = (&origin.workflow, &origin.stage, &origin.worker);
                    events::program::not_started(workflow, stage, worker, rest.as_secs(), failure.message());
                    inner.members.refuse(&origin, failure, not_now);
                }
                self.gone.notify_waiters();
            }
            Report::Idle => inner.members.set(number, State::Idle),
            Report::WantsToEnd => answer = inner.members.may_end(number),
            Report::Ending => inner.members.set(number, State::Stopping),
            Report::Gone => {
                inner.members.remove(number);
                self.gone.notify_waiters();
            }
        }
        if !self.stop.is_cancelled() {
            self.serve(&mut inner);
        }
        answer
    }

    /// Waits until no process is left.
    async fn ended(&self) {
        loop {
            let gone = self.gone.notified();
            if self.lock().members.are_none() {
                return;
            }
            gone.await;
        }
    }
}

fn origin(stage: &CommandStage, offer: &Offer) -> Origin {
    let about = &*offer.context.about;
    Origin {
        workflow: about.workflow.clone(),
        stage: about.stage.clone(),
        worker: about.worker.clone(),
        command: stage.clone(),
        warm: stage.warm.clone().unwrap_or_default(),
        most: offer.limits.payload_bytes,
    }
}

/// It is not this job's fault, nor that of its attempt: the job goes back.
fn not_now() -> Failure {
    Failure::resource_unavailable(
        "the warm program of its stage did not start; the attempt that waited for it says why",
    )
    .for_lack_of(Resource::WarmProgram)
}
