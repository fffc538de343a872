//! Hands claims whose inputs are known to the apalis worker.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::known::{Prepared, Work};
use super::report;
use super::room::Room;
use super::run_stage::StageTask;
use super::slots::{Hold, Slots};
use super::tally::Tally;
use crate::model::claim::Claim;
use crate::model::payload::PayloadLimits;
use crate::stage::about::About;
use crate::stage::artifacts::AttemptArtifacts;
use crate::stage::command;
use crate::stage::context::StageContext;
use crate::stage::own_rows::OwnRows;
use crate::stage::records::Records;
use crate::stage::resources::Resources;
use crate::stage::steps::Steps;
use crate::store::Store;
use crate::workflow::definition::{Stage, StageKind};

/// Makes a task of a claim: names for people, the time limit, and the way to be cancelled.
#[derive(Debug, Clone)]
pub(crate) struct Starter {
    pub(crate) slots: Arc<Slots>,
    pub(crate) worker_name: Arc<str>,
    pub(crate) store: Arc<Store>,
    /// For transactions of stages.
    pub(crate) for_stages: Arc<Store>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) limits: PayloadLimits,
    /// Of all that it starts.
    pub(crate) room: Room,
    pub(crate) tasks: UnboundedSender<Task<Box<StageTask>>>,
    pub(crate) tally: Arc<Tally>,
    /// The worker shuts down. Without the `Arc` a token counts its clones under a lock, here one that all attempts share.
    pub(crate) stopping: Arc<CancellationToken>,
}

/// What is said to a handler that would commit rows.
const NO_ROWS: &str = "the stage would commit rows of its own (StageContext::commit), and has `repeat`: whether its output stands is decided first. Write the rows in a stage that needs it";

impl Starter {
    /// Starts an attempt in the slot it holds. The claim comes back when the apalis worker is gone.
    pub(crate) fn start(&self, prepared: Prepared, hold: Hold) -> Result<(), Claim> {
        let Prepared { claim, known, work } = prepared;
        let (key, version) = (claim.key, &known.version);
        let about = Arc::new(About {
            run: known.run.id,
            workflow: version.name.clone(),
            stage: version.stage_name(key.stage),
            item: key.item(),
            attempt: key.attempt.unsigned_abs(),
            again: known.run.again(key.stage),
            round: known.round.as_ref().map(|round| round.number),
            apart: None,
            worker: self.worker_name.clone(),
            trace: known.run.trace.clone(),
        });
        let time_limit = version.stage(key.stage).map_or(Duration::ZERO, time_limit);
        self.slots.name(&key, about.clone());
        let Hold { cancellation, progress, .. } = hold;
        let records = Records::Database(self.store.clone());
        let steps = Steps::new(records.clone(), claim, self.limits.payload_bytes, cancellation.clone());
        let artifacts =
            AttemptArtifacts::new(records, self.resources.clone(), claim, about.clone(), cancellation.clone());
        let stopping = self.stopping.clone();
        let decides = version.stage(key.stage).is_some_and(|stage| stage.repeat.is_some());
        let pool = if decides { Err(NO_ROWS) } else { Ok(self.for_stages.clone()) };
        let own_rows = OwnRows::new(pool, self.limits.payload_bytes);
        let context =
            StageContext { about, cancellation, stopping, progress, steps, artifacts, own_rows, callback: None };
        // One that waited has begun before.
        if !matches!(work, Ok(Work::Waited(_) | Work::Poll(..))) {
            version.meters.begins(&claim);
            report::started(version, &claim, &context.about);
        }
        let task = TaskBuilder::new(Box::new(StageTask { claim, known, work, context, time_limit }))
            .task_id(TaskId::from_int(hold.number))
            // apalis counts the attempt itself when it starts.
            .attempt(usize::try_from(key.attempt - 1).unwrap_or_default())
            .build();
        self.tally.is_handed_over();
        self.tasks.send(task).map_err(|_| claim)
    }
}

/// A command stage ends its program itself, and has something to tell of it; most others are cut off.
fn time_limit(stage: &Stage) -> Duration {
    match &stage.kind {
        // It waits for a process for as long as others have them, and then keeps to its limit itself.
        StageKind::Command(command) if command.warm.is_some() => Duration::MAX,
        StageKind::Command(_) => stage.timeout.saturating_add(2 * command::LAST_WAIT),
        // Postgres ends its statement, and has something to tell of it, too.
        StageKind::Sql(_) => stage.timeout.saturating_add(Duration::from_secs(1)),
        StageKind::Rust { .. }
        | StageKind::Http(_)
        | StageKind::Sleep(_)
        | StageKind::Signal(_)
        | StageKind::Run(_) => stage.timeout,
    }
}
