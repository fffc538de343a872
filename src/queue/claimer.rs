//! Claims jobs for free slots: woken by notifications, with a poll as the net.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::catalog::{Catalog, Version};
use super::inputs::{self, Prepared};
use super::run_stage::StageTask;
use super::settle::{Ended, Outcome};
use super::slots::Slots;
use crate::model::claim::Claim;
use crate::model::id::{VersionId, WorkerId, WorkflowId};
use crate::model::payload::PayloadLimits;
use crate::stage::context::{About, ProgressCell, StageContext};
use crate::store::{Store, StoreError};

/// Longest wait for more free slots once there is one: a few claims in one statement are cheaper than each alone.
const GATHER: Duration = Duration::from_millis(20);

/// Wakes the claimer: for jobs that are ready now, or due at a moment this process knows of.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    notify: Notify,
    due: Mutex<Option<Instant>>,
}

impl Wake {
    /// Something is ready.
    pub(crate) fn now(&self) {
        self.notify.notify_one();
    }

    /// Something is due after that wait.
    pub(crate) fn within(&self, wait: Duration) {
        let at = Instant::now() + wait;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.is_none_or(|known| at < known) {
            *due = Some(at);
            drop(due);
            self.notify.notify_one();
        }
    }

    /// Whether the known due time has come; forgets it then.
    fn is_due(&self) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let come = due.is_some_and(|at| at <= Instant::now());
        if come {
            *due = None;
        }
        come
    }

    /// Until woken, due, or the poll's time has come.
    async fn wait(&self, poll: Duration) {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = due.map_or(poll, |at| poll.min(at.saturating_duration_since(Instant::now())));
        tokio::time::timeout(wait, self.notify.notified()).await.ok();
    }
}

/// Claims for one worker.
pub(crate) struct Claimer {
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) wake: Arc<Wake>,
    /// Queues this worker serves: workflows it has a file or a handler for.
    pub(crate) workflows: Vec<WorkflowId>,
    /// The boot; it changes when the others have given it up.
    pub(crate) boot: watch::Receiver<WorkerId>,
    pub(crate) worker_name: String,
    pub(crate) limits: PayloadLimits,
    pub(crate) poll: Duration,
    pub(crate) tasks: UnboundedSender<Task<StageTask>>,
    pub(crate) ends: UnboundedSender<Ended>,
    pub(crate) stop: CancellationToken,
}

impl Claimer {
    /// Runs until told to stop; a database that is away is waited for.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        // An answer that was lost may have claimed jobs that this process knows nothing of.
        let mut answer_lost = false;
        let mut next_promotion = Instant::now();
        while !self.stop.is_cancelled() {
            match self.round(&mut answer_lost, &mut next_promotion).await {
                Ok(full) => {
                    if backoff.reset() {
                        tracing::info!("the database is back, claiming goes on");
                    }
                    if !full {
                        self.pause().await;
                    }
                }
                Err(error) => {
                    answer_lost = true;
                    if backoff.is_first() {
                        tracing::warn!("claiming waits: {error}");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.wake.wait(self.poll) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// One claim; `true` when there may be more to claim at once.
    async fn round(&mut self, answer_lost: &mut bool, next_promotion: &mut Instant) -> Result<bool, StoreError> {
        self.slots.wait_for((self.slots.capacity() / 4).max(1), GATHER).await;
        let free = self.slots.free();
        if free == 0 {
            // A freed slot wakes `wait_for`, so this is no idle turn.
            return Ok(true);
        }
        if *answer_lost {
            self.give_back_strays().await?;
            *answer_lost = false;
        }
        if self.wake.is_due() || *next_promotion <= Instant::now() {
            *next_promotion = Instant::now() + self.poll;
            let promoted = self.store.promote().await?;
            if let Some(wait) = promoted.next_due {
                self.wake.within(wait);
            }
            if promoted.more {
                *next_promotion = Instant::now();
            }
        }
        self.claim(free).await
    }

    async fn claim(&mut self, free: usize) -> Result<bool, StoreError> {
        if self.workflows.is_empty() {
            return Ok(false);
        }
        // Every queue gets its share of the slots; what one leaves, the next claim gives to the others.
        self.workflows.rotate_left(1);
        let asked = &self.workflows[..self.workflows.len().min(free)];
        let each = free / asked.len();
        let worker = *self.boot.borrow();
        let limit = i64::try_from(each).unwrap_or(i64::MAX);
        let claims = self.store.claim(asked, limit, &self.catalog.unknown(), worker).await?;
        let full = claims.len() >= each || asked.len() < self.workflows.len();
        let taken: Vec<(Claim, _)> = claims.into_iter().map(|claim| (claim, self.slots.take(claim))).collect();
        let (claims, handles): (Vec<Claim>, Vec<_>) = taken.into_iter().unzip();
        let mut handles: HashMap<_, _> = claims.iter().map(|c| c.key).zip(handles).collect();
        for prepared in self.prepare(claims).await {
            if let Some((cancellation, progress)) = handles.remove(&prepared.claim.key) {
                self.start(prepared, cancellation, progress);
            }
        }
        Ok(full)
    }

    /// Versions and inputs of claims, waiting for the database as long as it takes; what cannot run here goes back.
    async fn prepare(&self, claims: Vec<Claim>) -> Vec<Prepared> {
        let known = self.with_versions(claims).await;
        if known.is_empty() {
            return Vec::new();
        }
        match self.read_inputs(&known).await {
            Ok(prepared) => prepared,
            Err(refused) if known.len() == 1 => {
                known.into_iter().map(|one| inputs::unreadable(one, &refused)).collect()
            }
            // Something about one of them: the others must not suffer.
            Err(_) => {
                let mut prepared = Vec::with_capacity(known.len());
                for one in known {
                    match self.read_inputs(std::slice::from_ref(&one)).await {
                        Ok(alone) => prepared.extend(alone),
                        Err(refused) => prepared.push(inputs::unreadable(one, &refused)),
                    }
                }
                prepared
            }
        }
    }

    /// Only what the database refuses is an error; while it is away this waits, and gives the claims back when told to
    /// stop.
    async fn read_inputs(&self, known: &[(Claim, Arc<Version>)]) -> Result<Vec<Prepared>, StoreError> {
        let mut backoff = Backoff::default();
        loop {
            match inputs::prepare(&self.store, &self.limits, known.to_vec()).await {
                Err(StoreError::Away(_)) if self.stop.is_cancelled() => {
                    known.iter().for_each(|(claim, _)| self.put_back(*claim));
                    return Ok(Vec::new());
                }
                Err(error @ StoreError::Away(_)) => {
                    if backoff.is_first() {
                        tracing::warn!("reading inputs waits: {error}");
                    }
                    backoff.wait().await;
                }
                answered => return answered,
            }
        }
    }

    async fn with_versions(&self, claims: Vec<Claim>) -> Vec<(Claim, Arc<Version>)> {
        let mut known = Vec::with_capacity(claims.len());
        for claim in claims {
            let (version, stage) = (claim.version, claim.key.stage);
            match self.version(version).await {
                Some(found) if !self.catalog.is_unknown(version, stage) => known.push((claim, found)),
                found => {
                    self.catalog.refuse(version, stage);
                    let name = found.map_or_else(|| format!("#{stage}"), |v| v.stage_name(stage));
                    tracing::warn!(version = %version, stage = name, "no handler here; left for a worker that has one");
                    self.put_back(claim);
                }
            }
        }
        known
    }

    /// `None` when the definition cannot be read at all.
    async fn version(&self, id: VersionId) -> Option<Arc<Version>> {
        let mut backoff = Backoff::default();
        loop {
            match self.catalog.version(&self.store, id).await {
                Ok(version) => return Some(version),
                Err(StoreError::Away(_)) if !self.stop.is_cancelled() => backoff.wait().await,
                Err(error) => {
                    tracing::error!("{error}");
                    return None;
                }
            }
        }
    }

    fn start(&self, prepared: Prepared, cancellation: CancellationToken, progress: ProgressCell) {
        let Prepared { claim, version, run, work } = prepared;
        let key = claim.key;
        let about = About {
            run,
            workflow: version.workflow.name.to_string(),
            stage: version.stage_name(key.stage),
            item: key.item(),
            attempt: key.attempt.unsigned_abs(),
            worker: self.worker_name.clone(),
        };
        let time_limit = version.stage(key.stage).map_or(Duration::ZERO, |s| s.timeout);
        let about = Arc::new(about);
        self.slots.name(&key, about.clone());
        let context = StageContext { about, cancellation, progress };
        let task = TaskBuilder::new(StageTask { claim, version, work, context, time_limit })
            .task_id(TaskId::from_string(format!("{}:{}:{}:{}:{}", key.run, key.job, key.stage, key.item, key.attempt)))
            // apalis counts the attempt itself when it starts.
            .attempt(usize::try_from(key.attempt - 1).unwrap_or_default())
            .build();
        if self.tasks.send(task).is_err() {
            self.put_back(claim);
        }
    }

    /// Claims that the database knows and this process does not: their answer was lost. They go back uncounted.
    async fn give_back_strays(&self) -> Result<(), StoreError> {
        let worker = *self.boot.borrow();
        for claim in self.store.held(worker).await? {
            if !self.slots.holds(&claim.key) {
                self.slots.take(claim);
                self.put_back(claim);
            }
        }
        Ok(())
    }

    fn put_back(&self, claim: Claim) {
        if self.ends.send(Ended { claim, version: None, outcome: Outcome::NeverBegan }).is_err() {
            tracing::error!(key = ?claim.key, "the committers are gone; recovery will free this claim");
        }
    }
}
