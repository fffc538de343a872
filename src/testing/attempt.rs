//! An attempt for a handler's unit test: nothing of it is in a database.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::attempt_end::{TestEnd, claim};
use super::database::TestDatabase;
use super::folder::Folder;
use super::recorded::{TestArtifact, TestProgress};
use crate::artifacts::Artifacts;
use crate::model::failure::Failure;
use crate::model::id::RunId;
use crate::model::payload::PayloadLimits;
use crate::stage::about::About;
use crate::stage::artifacts::AttemptArtifacts;
use crate::stage::context::{ProgressCell, StageContext};
use crate::stage::handler::{AttemptParts, FromAttempt, Handler, Offer};
use crate::stage::own_rows::OwnRows;
use crate::stage::records::{Memory, Records};
use crate::stage::resources::Resources;
use crate::stage::states::States;
use crate::stage::steps::Steps;
use crate::store::Store;

/// An attempt that a test makes, to call a handler like the function it is.
///
/// Steps and artifacts that the handler records are kept in memory and in a temporary folder, and are there for the test to
/// look at. It needs no database, and fences nothing.
///
/// ```
/// use piton::testing::TestAttempt;
/// use piton::{Failure, Input, StageContext};
/// use serde_json::{Value, json};
///
/// async fn shout(Input(input): Input<Value>, context: StageContext) -> Result<String, Failure> {
///     let text = input["input"].as_str().unwrap_or_default();
///     context.progress(1, 2, "heard");
///     let loud = context.step("loud", || async { Ok::<_, Failure>(text.to_uppercase()) }).await?;
///     context.put_bytes("loud.txt", &loud).await?;
///     Ok(format!("{loud} (attempt {})", context.attempt()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let first = TestAttempt::new().stage("shout");
/// let said: String = first.call(shout, json!({"input": "hey"})).await.unwrap();
/// assert_eq!(said, "HEY (attempt 1)");
/// assert_eq!(first.recorded::<String>("loud").unwrap(), "HEY");
/// assert_eq!(first.artifacts()[0].bytes, b"HEY");
/// assert_eq!(first.progress().unwrap().message, "heard");
///
/// // What the first attempt recorded is what the second one reads.
/// let second = first.next();
/// let said: String = second.call(shout, json!({"input": "another text"})).await.unwrap();
/// assert_eq!(said, "HEY (attempt 2)");
/// # }
/// ```
#[derive(Debug)]
pub struct TestAttempt {
    run: RunId,
    workflow: String,
    stage: String,
    item: Option<u32>,
    attempt: u32,
    round: Option<u32>,
    worker: String,
    is_last: bool,
    database: Option<Arc<Store>>,
    states: States,
    records: Arc<Memory>,
    folder: Arc<Folder>,
    progress: ProgressCell,
    cancellation: Arc<CancellationToken>,
}

impl Default for TestAttempt {
    fn default() -> TestAttempt {
        TestAttempt::new()
    }
}

impl TestAttempt {
    /// The first attempt at a stage `test` of a workflow `test`, in a run of its own.
    pub fn new() -> TestAttempt {
        TestAttempt {
            run: RunId::new(),
            workflow: "test".to_owned(),
            stage: "test".to_owned(),
            item: None,
            attempt: 1,
            round: None,
            worker: "test".to_owned(),
            is_last: false,
            database: None,
            states: States::default(),
            records: Arc::default(),
            folder: Arc::default(),
            progress: ProgressCell::default(),
            cancellation: Arc::default(),
        }
    }

    /// Of that run: its id is part of the idempotency key.
    #[must_use]
    pub fn run(self, run: RunId) -> TestAttempt {
        TestAttempt { run, ..self }
    }

    /// Of a workflow of that name.
    #[must_use]
    pub fn workflow(self, name: &str) -> TestAttempt {
        TestAttempt { workflow: name.to_owned(), ..self }
    }

    /// At a stage of that name.
    #[must_use]
    pub fn stage(self, name: &str) -> TestAttempt {
        TestAttempt { stage: name.to_owned(), ..self }
    }

    /// At that item of a fanned-out stage, from 0.
    #[must_use]
    pub fn item(self, item: u32) -> TestAttempt {
        TestAttempt { item: Some(item), ..self }
    }

    /// Which try it is, from 1.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> TestAttempt {
        TestAttempt { attempt: attempt.max(1), ..self }
    }

    /// In that round of a stage that is done again, from 1; each has an idempotency key of its own.
    #[must_use]
    pub fn round(self, round: u32) -> TestAttempt {
        TestAttempt { round: Some(round.max(1)), ..self }
    }

    /// On a worker of that name.
    #[must_use]
    pub fn worker(self, name: &str) -> TestAttempt {
        TestAttempt { worker: name.to_owned(), ..self }
    }

    /// The job's retries are spent: [`StageContext::is_last_attempt`]. Where this is not said, no attempt has failed yet, and failures
    /// are retried as by default.
    #[must_use]
    pub fn last(self) -> TestAttempt {
        TestAttempt { is_last: true, ..self }
    }

    /// The database in which [`StageContext::commit`] writes. The attempt itself is not in it: the rows of the handler alone are
    /// committed, or rolled back.
    #[must_use]
    pub fn database(self, database: &TestDatabase) -> TestAttempt {
        TestAttempt { database: Some(Arc::new(database.store().for_stages())), ..self }
    }

    /// Shares a value with the handler, as [`App::state`](crate::App::state) does; the first of a type counts.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> TestAttempt {
        self.states.add(value);
        self
    }

    /// An earlier attempt has recorded that step: the handler gets this output, and does not run it.
    ///
    /// # Panics
    ///
    /// If the output cannot be written as JSON.
    #[must_use]
    pub fn step(self, name: &str, output: impl Serialize) -> TestAttempt {
        self.records.record(name, &json(&output));
        self
    }

    /// The job's next attempt: what was recorded so far is there, and nothing is reported yet. It shares the values of this one.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "it goes from one attempt to the next, and never ends")]
    pub fn next(&self) -> TestAttempt {
        TestAttempt {
            run: self.run,
            workflow: self.workflow.clone(),
            stage: self.stage.clone(),
            item: self.item,
            attempt: self.attempt + 1,
            round: self.round,
            worker: self.worker.clone(),
            is_last: self.is_last,
            database: self.database.clone(),
            states: self.states.clone(),
            records: self.records.clone(),
            folder: self.folder.clone(),
            progress: ProgressCell::default(),
            cancellation: Arc::default(),
        }
    }

    /// Calls a handler on that input: one object with the run's input under `input`, outputs under the names of their stages, and
    /// an item under `item`. Arguments are drawn from it as a worker draws them, and the output is read back from the JSON that
    /// would be committed.
    pub async fn call<A, T: DeserializeOwned>(
        &self,
        handler: impl Handler<A>,
        input: impl Serialize,
    ) -> Result<T, Failure> {
        let output = handler.call(self.parts(&input)?).await?;
        serde_json::from_str(output.as_str()).map_err(|error| {
            Failure::unknown(format!("the output does not fit the type that the test asks for: {error}"))
        })
    }

    /// One argument of a handler: an [`Input`](crate::Input), a [`State`](crate::State) or a [`StageContext`].
    pub fn argument<A: FromAttempt>(&self, input: impl Serialize) -> Result<A, Failure> {
        A::from_attempt(&self.parts(&input)?)
    }

    /// The context of the attempt. Artifacts that it keeps can be opened by whatever is called with this attempt: so a test makes
    /// those that stages before would have made.
    pub fn context(&self) -> StageContext {
        let (claim, about) = (claim(self.item, self.attempt), Arc::new(self.about()));
        let records = Records::Memory(self.records.clone());
        let limit = PayloadLimits::default().payload_bytes;
        let store = Artifacts::in_folder(self.folder.path().to_owned());
        let resources = Arc::new(Resources::new(Some(store), false, &self.worker));
        let cancellation = self.cancellation.clone();
        let mut own_rows = OwnRows::new(self.database.clone().ok_or(NO_DATABASE), limit);
        own_rows.belong_to(Arc::new(TestEnd { is_last: self.is_last }));
        StageContext {
            steps: Steps::new(records.clone(), claim, limit, cancellation.clone()),
            artifacts: AttemptArtifacts::new(records, resources, claim, about.clone(), cancellation.clone()),
            about,
            cancellation,
            stopping: Arc::default(),
            progress: self.progress.clone(),
            own_rows,
            callback: None,
        }
    }

    /// As when its worker shuts down or its run ends: [`StageContext::is_cancelled`] from now on.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }

    /// What that step has returned; `None` where it was not recorded, or is of another type.
    pub fn recorded<T: DeserializeOwned>(&self, step: &str) -> Option<T> {
        let steps = self.records.steps();
        let found = steps.iter().find(|stored| stored.name == step)?;
        serde_json::from_str(&found.output).ok()
    }

    /// The names of the steps on record, in their order.
    pub fn steps(&self) -> Vec<String> {
        self.records.steps().into_iter().map(|step| step.name).collect()
    }

    /// The artifacts that were kept, in their order, also by earlier attempts.
    pub fn artifacts(&self) -> Vec<TestArtifact> {
        let read = |address: &str| std::fs::read(self.folder.path().join(address)).unwrap_or_default();
        let artifacts = self.records.artifacts().into_iter();
        let shown = artifacts.map(|artifact| TestArtifact {
            bytes: read(&artifact.address),
            name: artifact.announced.name.as_str().to_owned(),
            artifact_type: artifact.announced.declared.as_str().to_owned(),
            content_type: artifact.announced.content_type,
        });
        shown.collect()
    }

    /// What was reported last; `None` where nothing was.
    pub fn progress(&self) -> Option<TestProgress> {
        let reported = self.progress.peek()?;
        Some(TestProgress { done: reported.done, of: reported.of, message: reported.note })
    }

    fn parts(&self, input: &impl Serialize) -> Result<AttemptParts, Failure> {
        let input = serde_json::to_string(input)
            .map_err(|error| Failure::invalid_input(format!("the test's input is no JSON: {error}")))?;
        let offer = Offer {
            input,
            context: self.context(),
            limits: PayloadLimits::default(),
            stall: None,
            token: None,
            waits: false,
        };
        Ok(AttemptParts { offer, states: Arc::new(self.states.clone()) })
    }

    fn about(&self) -> About {
        About {
            run: self.run,
            workflow: self.workflow.as_str().into(),
            stage: self.stage.as_str().into(),
            item: self.item,
            attempt: self.attempt,
            again: u16::try_from(self.round.unwrap_or(1) - 1).unwrap_or(u16::MAX),
            round: self.round,
            apart: None,
            worker: self.worker.as_str().into(),
            trace: None,
        }
    }
}

/// What is said to a handler that commits rows in such an attempt.
const NO_DATABASE: &str = "this attempt has no database to commit in; give it one: TestAttempt::database";

/// # Panics
///
/// Where it cannot be written: that is the test's own mistake.
fn json(value: &impl Serialize) -> String {
    #[allow(clippy::expect_used, reason = "a test that gives what is no JSON has to know at once")]
    serde_json::to_string(value).expect("an output that can be written as JSON")
}
