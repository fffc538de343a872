//! A stage of a recorded run, to be tried by hand: what an attempt at it would be given, read from the database and written nowhere but
//! into a folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::inputs::{self, Portion};
use super::known::{Prepared, RunInput, Work};
use super::version::Version;
use super::{input_files, run_stage};
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::id::{AttemptKey, ClaimToken, NO_ITEM, RunKey, WorkerId};
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::place::Place;
use crate::model::retry::RetryPolicy;
use crate::stage::about::About;
use crate::stage::artifacts::AttemptArtifacts;
use crate::stage::context::{ProgressCell, StageContext};
use crate::stage::own_rows::{AttemptEnd, OwnRows, RowsAnswer};
use crate::stage::records::{ByHand, Records};
use crate::stage::resources::Resources;
use crate::stage::steps::Steps;
use crate::store::own_rows::RowsTransaction;
use crate::store::{Store, StoreError};

/// What is said to a handler that would commit rows.
const NO_ROWS: &str = "the stage would commit rows of its own here (StageContext::commit), and nothing is written where it is tried by hand";

/// Which attempt is meant.
pub(crate) struct Meant {
    pub(crate) version: Arc<Version>,
    pub(crate) run: RunKey,
    pub(crate) stage: i16,
    pub(crate) item: Option<u32>,
    pub(crate) attempt: u32,
    /// The run's input, where it was another one then.
    pub(crate) run_input: Option<Arc<str>>,
}

/// What an attempt gets.
pub(crate) enum Given {
    /// JSON.
    Input(String),
    /// Nothing: it would be skipped, for that reason.
    Skip(Arc<str>),
}

/// An attempt that holds nothing.
pub(crate) struct Tried {
    pub(crate) version: Arc<Version>,
    pub(crate) claim: Claim,
    run: RunInput,
    round: Option<u32>,
    work: Result<Work, Failure>,
}

impl Tried {
    /// Reads what it would be given.
    pub(crate) async fn read(store: &Store, limits: &PayloadLimits, meant: Meant) -> Result<Tried, StoreError> {
        let claim = claim(&meant);
        let claims = vec![(claim, meant.version.clone())];
        let sizes = match inputs::sizes_to_ask_for(limits, &claims) {
            Some(wanted) => store.output_bytes(&wanted).await?,
            None => HashMap::new(),
        };
        let portion = inputs::portions(limits, claims, &sizes).pop().unwrap_or_else(|| Portion::of(Vec::new()));
        let prepared = match &meant.run_input {
            Some(input) => inputs::prepare_on(store, limits, &portion, input).await?,
            None => inputs::prepare(store, limits, &portion).await?,
        };
        let none = || StoreError::Damaged("no input was made for the attempt".to_owned());
        let Prepared { claim, known, work } = prepared.into_iter().next().ok_or_else(none)?;
        let round = known.round.map(|round| round.number);
        Ok(Tried { version: known.version, claim, run: known.run, round, work })
    }

    /// How many items the stage has, where it is its split that was read.
    pub(crate) fn items(&self) -> Option<u32> {
        match self.work {
            Ok(Work::Split(items)) => Some(items),
            Ok(Work::Handle(_) | Work::Skip(_) | Work::Waited(_) | Work::Poll(..)) | Err(_) => None,
        }
    }

    /// Why there are none, where it is its split that was read.
    pub(crate) fn why_not(&self) -> &str {
        match &self.work {
            Ok(Work::Skip(reason)) => reason,
            Ok(Work::Handle(_) | Work::Split(_) | Work::Waited(_) | Work::Poll(..)) => "it is not fanned out",
            Err(failure) => failure.message(),
        }
    }

    /// The input that it gets. Outputs that come in files are written into that folder.
    pub(crate) async fn given(&self, store: &Store, folder: &Path) -> Result<Given, Failure> {
        let mut input = match self.work.clone()? {
            // What it asked its service first is tried, and not the answer.
            Work::Handle(input) | Work::Poll(input, _) => input,
            Work::Skip(reason) => return Ok(Given::Skip(reason)),
            Work::Split(_) => return Err(Failure::unknown("the stage is split into items here")),
            Work::Waited(_) => return Err(Failure::unknown("the wait of the stage is over")),
        };
        if let Some(stage) = self.version.stage(self.claim.key.stage)
            && let Some(reason) = input.fails(stage)?
        {
            return Ok(Given::Skip(reason));
        }
        input_files::write_into(folder, store, &self.claim, &self.version, &mut input).await?;
        Ok(Given::Input(input.to_json()))
    }

    /// Its context. What the stage records and keeps is in `records` alone.
    pub(crate) fn context(
        &self,
        records: Arc<ByHand>,
        resources: Arc<Resources>,
        worker: &str,
        limits: &PayloadLimits,
        apart: Option<Arc<str>>,
    ) -> StageContext {
        let (claim, records) = (self.claim, Records::ByHand(records));
        let about = Arc::new(About {
            run: self.run.id,
            workflow: self.version.name.clone(),
            stage: self.version.stage_name(claim.key.stage),
            item: claim.key.item(),
            attempt: claim.key.attempt.unsigned_abs(),
            again: self.run.again(claim.key.stage),
            round: self.round,
            apart,
            worker: worker.into(),
            trace: self.run.trace.clone(),
        });
        let cancellation = Arc::new(CancellationToken::new());
        let mut own_rows = OwnRows::new(Err(NO_ROWS), limits.payload_bytes);
        own_rows.belong_to(Arc::new(End(self.version.policy(claim.key.stage).cloned().unwrap_or_default())));
        StageContext {
            steps: Steps::new(records.clone(), claim, limits.payload_bytes, cancellation.clone()),
            artifacts: AttemptArtifacts::new(records, resources, claim, about.clone(), cancellation.clone()),
            about,
            cancellation,
            stopping: Arc::default(),
            progress: ProgressCell::default(),
            own_rows,
            callback: None,
        }
    }
}

/// Runs a handler on a task of its own, as a worker does: a panic is a failure.
pub(crate) async fn on_a_task(
    work: impl Future<Output = Result<Payload, Failure>> + Send + 'static,
) -> Result<Payload, Failure> {
    match tokio::spawn(work).await {
        Ok(ended) => ended,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Err(run_stage::panicked(&panic)),
            Err(_) => Err(Failure::unknown("the attempt was stopped")),
        },
    }
}

/// Numbers of a claim that nobody made: what they fence is never written.
fn claim(meant: &Meant) -> Claim {
    let item = meant.item.and_then(|item| i32::try_from(item).ok()).unwrap_or(NO_ITEM);
    let attempt = i32::try_from(meant.attempt).unwrap_or(i32::MAX);
    let key = AttemptKey { run: meant.run, job: 0, stage: meant.stage, item, attempt, token: ClaimToken(0) };
    Claim {
        key,
        until: item.saturating_add(1),
        workflow: meant.version.workflow_id,
        version: meant.version.id,
        worker: WorkerId(0),
        started_at: DateTime::UNIX_EPOCH,
        waited: Duration::ZERO,
        place: Place { rank: 0, due_at: DateTime::UNIX_EPOCH },
        in_a_row: 0,
    }
}

/// Nothing ends with it.
#[derive(Debug)]
struct End(RetryPolicy);

impl AttemptEnd for End {
    fn commit(self: Arc<Self>, transaction: RowsTransaction, _: Payload) -> JoinHandle<RowsAnswer> {
        tokio::spawn(async move {
            // There is none: the attempt has no database to begin one in.
            drop(transaction);
            RowsAnswer::Over
        })
    }

    fn policy(&self) -> RetryPolicy {
        self.0.clone()
    }
}
