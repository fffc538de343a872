//! Attempts at stages that ask a service and wait for it: the request, and the polls after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::input_files::InputFiles;
use super::run_stage::{RunStage, Worked, stage_of};
use super::version::Version;
use crate::meters::callbacks as meters;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::json::Object;
use crate::model::wait::{EndedWait, NewWait};
use crate::stage::callback::Callback;
use crate::stage::handler::Offer;
use crate::stage::http::Poll;
use crate::stage::input::StageInput;
use crate::stage::poll::{self, Polled};
use crate::stage::service;
use crate::stage::steps::wait;
use crate::store::backoff::Backoff;
use crate::store::callbacks::Opened;
use crate::workflow::service::{ANSWER, Door, ServiceWait};

/// Until an answer that is just coming may be there.
const MOMENT: Duration = Duration::from_millis(100);

/// The database's time, from when it made the claim.
struct Clock(DateTime<Utc>, Instant);

impl Clock {
    fn of(claim: &Claim) -> Clock {
        Clock(claim.started_at, Instant::now())
    }

    fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.1.elapsed()).unwrap_or_default();
        self.0.checked_add_signed(passed).unwrap_or(self.0)
    }
}

impl RunStage {
    /// Asks the service of a stage, and begins to wait for it. What it answers with is on record in the commit that begins the wait.
    pub(super) async fn ask(
        self,
        claim: Claim,
        version: Arc<Version>,
        input: StageInput,
        mut offer: Offer,
    ) -> Result<Worked, Failure> {
        let (clock, stage) = (Clock::of(&claim), stage_of(&version, &claim)?);
        let Some(waits) = &stage.wait else { return Err(Failure::unknown("the stage waits for no service")) };
        offer.waits = true;
        if let Door::Callback(_) = waits.door {
            offer.context.callback = Some(Arc::new(Callback::new(self.open(&claim).await?)));
        }
        let artifacts = offer.context.artifacts.clone();
        let came = match input.files() {
            [] => self.work(stage, &claim, offer)?.await?,
            _ => {
                let files = InputFiles::write(&self.store, &claim, &version, input).await?;
                let ended = self.work(stage, &claim, Offer { input: files.input().to_json(), ..offer })?.await;
                drop(files);
                ended?
            }
        };
        let Some(handle) = service::handle(&stage.kind, &came) else { return Ok(Worked::Done(came)) };
        if artifacts.whole().is_some_and(|kept| kept > 0) {
            return Err(Failure::invalid_input(
                "a stage that begins to wait for a service keeps no files: let a stage before it, or behind it, keep them",
            ));
        }
        Ok(Worked::Waits(service::begins(waits, handle, clock.now())))
    }

    /// The token of the job, on record before anybody is asked. A database that is away is waited for, as long as the stage may run.
    async fn open(&self, claim: &Claim) -> Result<String, Failure> {
        let mut backoff = Backoff::default();
        loop {
            match self.store.open_callback(claim).await {
                Ok(Opened::Token(token)) => return Ok(token),
                Ok(Opened::Busy) => tokio::time::sleep(MOMENT).await,
                Ok(Opened::Fenced) => return Err(Failure::unknown("this attempt no longer holds the job")),
                Err(error) => wait(&mut backoff, error, "a stage that is to be called back").await?,
            }
        }
    }

    /// Asks a service again that was asked before, and whose work goes on as far as is known.
    pub(super) async fn poll(
        self,
        claim: Claim,
        version: Arc<Version>,
        ended: EndedWait,
        offer: Offer,
    ) -> Result<Worked, Failure> {
        let (clock, stage) = (Clock::of(&claim), stage_of(&version, &claim)?);
        let (Some(ServiceWait { door: Door::Poll(poll), .. }), Some(service)) = (&stage.wait, &ended.service) else {
            return Err(Failure::unknown("the stage asks no service again"));
        };
        let most = offer.limits.payload_bytes;
        let offer = Offer { input: with_answer(&offer.input, &service.handle), ..offer };
        let about = offer.context.about.clone();
        let (said, polled) = match self.http.poll(&stage.kind, poll, offer).await {
            Poll::Answer(answer, again) => ((None, again), poll::decide(poll, answer.as_str(), most)?),
            Poll::Missed(failure) => ((Some(failure.to_string()), failure.wait()), Polled::Working),
            Poll::Gone(failure) => ((None, None), Polled::Failed(failure)),
        };
        let meter = match (&polled, &said.0) {
            (Polled::Working, Some(_)) => meters::Poll::Missed,
            (Polled::Working, None) => meters::Poll::Working,
            (Polled::Done(_), _) => meters::Poll::Done,
            (Polled::Failed(_), _) => meters::Poll::Failed,
        };
        meter.count(&about.workflow, &about.stage);
        let goes_on = || poll::goes_on(poll, &ended, service, clock.now(), said.clone());
        self.polled(&claim, polled, goes_on).await
    }

    async fn polled(&self, claim: &Claim, polled: Polled, goes_on: impl Fn() -> NewWait) -> Result<Worked, Failure> {
        match polled {
            Polled::Working => Ok(Worked::Waits(goes_on())),
            Polled::Done(output) => Ok(Worked::Done(output)),
            Polled::Failed(failure) => {
                let (mut backoff, said) = (Backoff::default(), service::said(&failure));
                while let Err(error) = self.store.record_service_failure(claim, &said).await {
                    wait(&mut backoff, error, "the failure of a service").await?;
                }
                Err(failure)
            }
        }
    }
}

/// The input, and what the service answered first.
fn with_answer(input: &str, handle: &str) -> String {
    let mut object = Object::read(input).unwrap_or_default();
    object.put(ANSWER, handle.to_owned());
    object.to_text()
}
