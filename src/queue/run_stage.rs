//! The innermost service: one attempt, on a tokio task of its own.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures_util::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;
use tracing::Instrument;

use super::catalog::Catalog;
use super::input_files::InputFiles;
use super::known::{Known, Work};
use super::round::{self, Round, RoundEnd, Verdict};
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::wait::NewWait;
use crate::stage::command::{self, warm};
use crate::stage::context::StageContext;
use crate::stage::finish::Finishing;
use crate::stage::handler::Offer;
use crate::stage::http::Http;
use crate::stage::input::StageInput;
use crate::stage::sql;
use crate::stage::stall;
use crate::stage::wait::{self, Reached};
use crate::store::Store;
use crate::workflow::definition::{CommandStage, Stage, StageKind};
use crate::workflow::plan::Finished;

/// What apalis carries: a claim with everything its attempt needs.
#[derive(Debug, Clone)]
pub(crate) struct StageTask {
    pub(crate) claim: Claim,
    pub(crate) known: Known,
    pub(crate) work: Result<Work, Failure>,
    pub(crate) context: StageContext,
    pub(crate) time_limit: Duration,
}

/// What an attempt comes to, where it does not fail.
#[derive(Debug, Clone)]
pub(crate) enum Ran {
    Finished(Output),
    /// It goes on when the wait is over.
    Waits(NewWait),
    /// Another round begins.
    Again(RoundEnd),
}

/// A finished attempt.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) payload: Payload,
    pub(crate) finished: Finished,
    /// Why nothing was done; the payload then only stands in place of an output.
    pub(crate) skipped: Option<Arc<str>>,
}

/// What came of a stage.
pub(super) enum Worked {
    Done(Payload),
    Skipped(Arc<str>),
    Waits(NewWait),
}

/// Runs attempts by calling handlers.
#[derive(Debug, Clone)]
pub(crate) struct RunStage {
    pub(super) store: Store,
    catalog: Arc<Catalog>,
    limits: PayloadLimits,
    pub(super) http: Arc<Http>,
    warm: Arc<warm::Pools>,
}

impl Service<Task<Box<StageTask>>> for RunStage {
    type Response = Ran;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Ran, BoxDynError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Box<StageTask>>) -> Self::Future {
        self.start(*task.args).unwrap_or_else(|failure| Box::pin(ready(Err(failure.into()))))
    }
}

impl RunStage {
    pub(crate) fn new(store: Store, catalog: Arc<Catalog>, limits: PayloadLimits, warm: Arc<warm::Pools>) -> RunStage {
        RunStage { store, catalog, limits, http: Arc::default(), warm }
    }

    fn start(&self, task: StageTask) -> Result<BoxFuture<'static, Result<Ran, BoxDynError>>, Failure> {
        let about = task.context.about.clone();
        let finished = if about.item.is_some() { Finished::Item } else { Finished::Stage };
        let (input, wait) = match task.work? {
            Work::Split(items) => return Ok(now(split(items))),
            Work::Waited(ended) => {
                let stage = stage_of(&task.known.version, &task.claim)?;
                let payload = wait::ended(stage, &ended, self.limits.payload_bytes)?;
                return Ok(now(concluded(stage, task.known.round.as_ref(), payload, finished)));
            }
            Work::Skip(reason) => {
                let finished = finished_by(&task.claim, task.known.version.splits(task.claim.key.stage));
                return Ok(now(skipped(reason, finished).map(Ran::Finished)));
            }
            Work::Handle(input) => (input, None),
            Work::Poll(input, wait) => (input, Some(wait)),
        };
        let (claim, version, round) = (task.claim, task.known.version, task.known.round);
        let stage = stage_of(&version, &claim)?;
        let (context, limits, stall) = (task.context, self.limits, stage.stall);
        let offer = Offer { input: input.to_json(), context, limits, stall, token: None, waits: false };
        let work: BoxFuture<'static, Result<Worked, Failure>> = match (&stage.when, input.files()) {
            _ if let Some(wait) = wait => Box::pin(self.clone().poll(claim, version.clone(), wait, offer)),
            (None, []) if !stage.may_wait() => {
                let work = self.work(stage, &claim, offer)?;
                Box::pin(async move { Ok(Worked::Done(work.await?)) })
            }
            _ => Box::pin(self.clone().work_if(claim, version.clone(), input, offer)),
        };
        let span = tracing::info_span!(
            "stage", run = %about.run, workflow = &*about.workflow, stage = &*about.stage, item = about.item,
            attempt = about.attempt, worker = &*about.worker, trace = about.trace.as_ref().map(|trace| trace.id()),
        );
        // Its own task: a handler that computes without awaiting holds up neither its neighbours nor its time limit.
        let handle = AbortOnDropHandle::new(tokio::spawn(work.instrument(span)));
        Ok(Box::pin(async move {
            match handle.await {
                Ok(Ok(Worked::Done(payload))) => {
                    Ok(concluded(stage_of(&version, &claim)?, round.as_ref(), payload, finished)?)
                }
                Ok(Ok(Worked::Waits(wait))) => Ok(Ran::Waits(wait)),
                Ok(Ok(Worked::Skipped(reason))) => Ok(Ran::Finished(skipped(reason, finished)?)),
                Ok(Err(failure)) => Err(failure.into()),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => Err(panicked(&panic).into()),
                    Err(_) => Err(Failure::unknown("the attempt was stopped").into()),
                },
            }
        }))
    }
}

impl RunStage {
    /// The stage's work, or the beginning of its wait, if its condition holds.
    async fn work_if(
        self,
        claim: Claim,
        version: Arc<Version>,
        input: StageInput,
        offer: Offer,
    ) -> Result<Worked, Failure> {
        let stage = stage_of(&version, &claim)?;
        if let Some(reason) = input.fails(stage)? {
            return Ok(Worked::Skipped(reason));
        }
        if stage.kind.only_waits() {
            return Ok(match wait::begin(&stage.kind, &offer, claim.started_at, rand::random())? {
                Reached::Output(payload) => Worked::Done(payload),
                Reached::Wait(wait) => Worked::Waits(wait),
            });
        }
        if stage.wait.is_some() {
            return self.clone().ask(claim, version.clone(), input, offer).await;
        }
        let work = match input.files() {
            [] => self.work(stage, &claim, offer)?,
            _ => Box::pin(self.clone().work_on_files(claim, version.clone(), input, offer)),
        };
        work.await.map(Worked::Done)
    }

    /// The same, once the outputs it needs are written into files, which are there for as long as it works.
    async fn work_on_files(
        self,
        claim: Claim,
        version: Arc<Version>,
        input: StageInput,
        offer: Offer,
    ) -> Result<Payload, Failure> {
        let files = InputFiles::write(&self.store, &claim, &version, input).await?;
        let stage = stage_of(&version, &claim)?;
        let ended = self.work(stage, &claim, Offer { input: files.input().to_json(), ..offer })?.await;
        drop(files);
        ended
    }

    /// What the stage does. Where it fails although it was all there before, what it needs of the machine is looked for again.
    pub(super) fn work(
        &self,
        stage: &Stage,
        claim: &Claim,
        offer: Offer,
    ) -> Result<BoxFuture<'static, Result<Payload, Failure>>, Failure> {
        if !stage.depends_on_the_machine() {
            return self.work_by_kind(stage, claim, offer);
        }
        let about = offer.context.about.clone();
        let work = self.work_by_kind(stage, claim, offer)?;
        let (stage, catalog) = (stage.clone(), self.catalog.clone());
        let (version, number) = (claim.version, claim.key.stage);
        let (pools, workflow, name) = (self.warm.clone(), about.workflow.clone(), about.stage.clone());
        Ok(Box::pin(async move {
            let ended = work.await;
            if ended.is_err() {
                catalog.doubt(version, number, &stage);
                if let Some(until) = pools.resting(&workflow, &name) {
                    catalog.let_rest(version, number, until);
                }
            }
            ended
        }))
    }

    fn work_by_kind(
        &self,
        stage: &Stage,
        claim: &Claim,
        offer: Offer,
    ) -> Result<BoxFuture<'static, Result<Payload, Failure>>, Failure> {
        match &stage.kind {
            StageKind::Rust { handler } => {
                let (progress, stall) = (offer.context.progress.clone(), offer.stall);
                let work = self.catalog.handlers.start(handler, offer);
                let work = work.ok_or_else(|| Failure::unknown(format!("this worker has no handler `{handler}`")))?;
                Ok(match stall {
                    None => work,
                    Some(stall) => Box::pin(async move {
                        stall::unless_stalled(Some(stall), &progress, work)
                            .await
                            .unwrap_or_else(|| Err(stall::failure(stall)))
                    }),
                })
            }
            StageKind::Command(command) if command.finish => {
                let (command, limit) = (command.clone(), stage.timeout);
                let finishing =
                    Finishing::new(self.store.clone(), *claim, offer.context.clone(), self.limits.payload_bytes);
                let pools = self.warm.clone();
                Ok(Box::pin(finishing.around(async move |token| {
                    run_command(&pools, &command, Offer { token: Some(token), ..offer }, limit).await
                })))
            }
            StageKind::Command(command) => {
                let (command, limit, pools) = (command.clone(), stage.timeout, self.warm.clone());
                Ok(Box::pin(async move { run_command(&pools, &command, offer, limit).await }))
            }
            StageKind::Http(request) => {
                let (request, http) = (request.clone(), self.http.clone());
                Ok(Box::pin(async move { http.run(&request, offer).await }))
            }
            StageKind::Sql(statement) => {
                let (statement, limit) = (statement.clone(), stage.timeout);
                Ok(Box::pin(async move { sql::run(&statement, offer, limit).await }))
            }
            StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => {
                Err(Failure::unknown("a stage that only waits does no work"))
            }
        }
    }
}

/// Runs a program for this attempt alone, or in one that is kept warm.
async fn run_command(
    pools: &warm::Pools,
    command: &CommandStage,
    offer: Offer,
    limit: Duration,
) -> Result<Payload, Failure> {
    match command.warm {
        Some(_) => warm::run(pools, command, offer, limit).await,
        None => command::run(command, offer, limit).await,
    }
}

/// What takes no time.
fn now(ran: Result<Ran, Failure>) -> BoxFuture<'static, Result<Ran, BoxDynError>> {
    Box::pin(ready(ran.map_err(BoxDynError::from)))
}

/// The record of a split is the number of items.
fn split(items: u32) -> Result<Ran, Failure> {
    let payload = Payload::of(&items, usize::MAX).map_err(|e| Failure::unknown(e.to_string()))?;
    Ok(Ran::Finished(done(payload, Finished::Split(items))))
}

/// The end of an attempt that has an output.
fn concluded(stage: &Stage, round: Option<&Round>, payload: Payload, finished: Finished) -> Result<Ran, Failure> {
    Ok(match round::verdict(stage, round, payload)? {
        Verdict::Stands(payload) => Ran::Finished(done(payload, finished)),
        Verdict::Again(end) => Ran::Again(end),
    })
}

fn done(payload: Payload, finished: Finished) -> Output {
    Output { payload, finished, skipped: None }
}

/// What a job ends that does nothing: a stage that would be split then has no items.
pub(super) fn finished_by(claim: &Claim, splits: bool) -> Finished {
    match claim.key.item() {
        Some(_) => Finished::Item,
        None if splits => Finished::Split(0),
        None => Finished::Stage,
    }
}

/// What stands in place of the output of a job that was skipped: null, or no items.
pub(super) fn skipped(reason: Arc<str>, finished: Finished) -> Result<Output, Failure> {
    let payload = match finished {
        Finished::Split(items) => Payload::of(&items, usize::MAX),
        Finished::Stage | Finished::Item => Payload::of(&(), usize::MAX),
    };
    let payload = payload.map_err(|e| Failure::unknown(e.to_string()))?;
    Ok(Output { payload, finished, skipped: Some(reason) })
}

pub(super) fn stage_of<'v>(version: &'v Version, claim: &Claim) -> Result<&'v Stage, Failure> {
    version.stage(claim.key.stage).ok_or_else(|| Failure::unknown("the stage is not in the workflow version"))
}

/// What a panic said, as a failure like another.
pub(crate) fn panicked(payload: &Box<dyn std::any::Any + Send>) -> Failure {
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    Failure::unknown(format!("the handler panicked: {}", said.unwrap_or("no message")))
}
