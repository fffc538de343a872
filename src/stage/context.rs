//! What a running stage knows about itself.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::artifacts::AttemptArtifacts;
use super::callback::Callback;
use super::last_attempt;
use super::new_artifact::NewArtifact;
use super::own_rows::{Committed, OwnRows, StageTransaction};
use super::steps::Steps;
use crate::artifacts::ArtifactReader;
use crate::model::artifact::Artifact;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::id::RunId;
use crate::store::jobs::Progress;
use crate::workflow::own::Own;

/// The attempt a handler runs in. Cheap to clone; a handler may take it as an argument or not.
///
/// Logs written with `tracing` inside a handler carry run, stage, item, attempt and worker by themselves.
#[derive(Debug, Clone)]
pub struct StageContext {
    pub(crate) about: Arc<About>,
    pub(crate) cancellation: Arc<CancellationToken>,
    /// The worker shuts down.
    pub(crate) stopping: Arc<CancellationToken>,
    pub(crate) progress: ProgressCell,
    pub(crate) steps: Steps,
    pub(crate) artifacts: AttemptArtifacts,
    pub(crate) own_rows: OwnRows,
    /// Where the service answers that the stage is to ask.
    pub(crate) callback: Option<Arc<Callback>>,
}

/// Progress on its way from the handler to the database; only the latest is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressCell(Arc<Reported>);

#[derive(Debug, Default)]
struct Reported {
    last: Mutex<Option<Progress>>,
    times: AtomicU64,
}

impl ProgressCell {
    pub(crate) fn report(&self, done: u64, of: u64, message: &str) {
        let note = message.chars().filter(|c| !c.is_control()).take(NOTE_LIMIT).collect();
        self.set(Progress { done, of, note });
    }

    fn set(&self, progress: Progress) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        self.0.times.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was reported.
    pub(crate) fn times(&self) -> u64 {
        self.0.times.load(Ordering::Relaxed)
    }

    /// What was reported last, if nobody has taken it.
    pub(crate) fn peek(&self) -> Option<Progress> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was reported since the last call.
    pub(crate) fn take(&self) -> Option<Progress> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Longest progress note that is kept, in characters.
const NOTE_LIMIT: usize = 200;

impl StageContext {
    /// The run.
    pub fn run(&self) -> RunId {
        self.about.run
    }

    /// The workflow's name.
    pub fn workflow(&self) -> &str {
        &self.about.workflow
    }

    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.about.stage
    }

    /// The item of a fanned-out stage, from 0.
    pub fn item(&self) -> Option<u32> {
        self.about.item
    }

    /// Which try this is, from 1. A try that a shutdown cut short counts here, but not against the retries.
    pub fn attempt(&self) -> u32 {
        self.about.attempt
    }

    /// Which round it is, from 1, where the stage is done again until it is good enough (`repeat`). Attempts are numbered anew in each.
    pub fn round(&self) -> Option<u32> {
        self.about.round
    }

    /// The name of the worker that runs it.
    pub fn worker(&self) -> &str {
        &self.about.worker
    }

    /// Names the job for services that are to do its work once, however often it is asked for: the same text for every
    /// attempt. The `http` and `command` stages send it as `Idempotency-Key` and `PITON_IDEMPOTENCY_KEY`. A stage that
    /// someone lets begin anew has another one, so that the work is done again.
    pub fn idempotency_key(&self) -> String {
        let About { run, stage, item, again, apart, .. } = &*self.about;
        let item = item.map_or_else(String::new, |item| format!(":{item}"));
        let again = if *again == 0 { String::new() } else { format!(":again-{again}") };
        let apart = apart.as_ref().map_or_else(String::new, |apart| format!(":{apart}"));
        format!("{run}:{stage}{item}{again}{apart}")
    }

    /// The trace context in the form of the W3C's `traceparent`: the trace that the run was started in, or else one of
    /// its own, and one span for a job.
    pub fn traceparent(&self) -> String {
        let span = digest::hex(&digest::of(&self.idempotency_key())[..8]);
        match &self.about.trace {
            Some(trace) => trace.child(&span),
            None => format!("00-{}-{span}-01", self.about.run.0.simple()),
        }
    }

    /// The W3C's `tracestate` that the run was started with, to be passed on as it is.
    pub fn tracestate(&self) -> Option<&str> {
        self.about.trace.as_ref()?.state()
    }

    /// Where the service answers that the stage asks and is to wait for: of a stage with `wait = { for = "callback", … }`, which then
    /// returns [`Wait::callback`](crate::Wait::callback). On record before the handler is called, and the same for every attempt of
    /// the job until its wait has failed or timed out. `None` in any other stage, and where a stage is tried by hand.
    pub fn callback(&self) -> Option<&Callback> {
        self.callback.as_deref()
    }

    /// Tells a stage of its attempt. The files are a program's, and known to whoever starts it.
    pub(crate) fn tell(&self, own: Own) -> Option<Cow<'_, str>> {
        let About { run, workflow, stage, item, attempt, worker, round, again: _, apart: _, trace: _ } = &*self.about;
        Some(match own {
            Own::Id => run.to_string().into(),
            Own::Workflow => (&**workflow).into(),
            Own::Stage => (&**stage).into(),
            Own::Item => (*item)?.to_string().into(),
            Own::Attempt => attempt.to_string().into(),
            Own::Round => (*round)?.to_string().into(),
            Own::Worker => (&**worker).into(),
            Own::IdempotencyKey => self.idempotency_key().into(),
            Own::Output | Own::Artifacts | Own::Inputs | Own::Progress => return None,
        })
    }

    /// Runs a step once and remembers what it returned: when the stage is tried again, also after a crash, the step is
    /// not run again and this returns what was recorded. A step that a crash cut short runs again, so runs at least
    /// once. Names differ within a stage. Waits for a database that is away, as long as the stage may run.
    ///
    /// ```no_run
    /// # async fn draw(_: &str) -> Result<String, piton::Failure> { Ok(String::new()) }
    /// async fn picture(context: piton::StageContext) -> Result<String, piton::Failure> {
    ///     let sketch = context.step("sketch", || draw("a sketch")).await?;
    ///     context.step("picture", || draw(&sketch)).await
    /// }
    /// ```
    pub async fn step<T, E, Fut>(&self, name: &str, work: impl FnOnce() -> Fut) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Failure>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.steps.step(name, work).await
    }

    /// Ends the attempt with rows of the caller's own: what `work` writes and the stage's checkpoint, with all that follows from
    /// it, are committed in one transaction, or nothing is. So rows are written exactly once, wherever a process dies. `work`
    /// returns the stage's output, and the handler returns what this gives it.
    ///
    /// `work` gets a connection that is in a transaction, as the worker's database role, to the database where Piton is: the
    /// caller's tables have to be there, too. It is one of four that a worker has for that, beside those it works with itself.
    /// Do what takes long before: rows stay locked, and one of the four is taken, until `work` returns. It may use savepoints
    /// and `set local`, and [`Start::in_transaction`](crate::Start::in_transaction), but must not end the transaction itself:
    /// then nothing is committed, and the attempt fails.
    ///
    /// An error of `work` rolls everything back; returned from the handler, it fails the attempt by its class. The connection
    /// has the isolation level that its database gives it. When the database goes away, or asks for a repetition (a deadlock, a
    /// serialization failure at the end), everything is rolled back and `work` is called again, for as long as the stage may run; when the
    /// answer to COMMIT is lost, the database is asked what became of it. When the job is no longer this attempt's (its run was
    /// cancelled, or its worker was given up), everything is rolled back and the attempt stops.
    ///
    /// ```no_run
    /// # use piton::{Committed, Failure, Input, StageContext};
    /// # #[derive(serde::Deserialize)] struct Order { id: i64 }
    /// async fn bill(Input(order): Input<Order>, context: StageContext) -> Result<Committed<i64>, Failure> {
    ///     context
    ///         .commit(async |mut tx| {
    ///             let bill = sqlx::query_scalar("insert into bills (order_id) values ($1) returning id").bind(order.id);
    ///             Ok(bill.fetch_one(&mut *tx).await?)
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn commit<T, Fut>(&self, work: impl FnMut(StageTransaction) -> Fut) -> Result<Committed<T>, Failure>
    where
        T: Serialize,
        Fut: Future<Output = Result<T, Failure>>,
    {
        self.own_rows.commit(&self.cancellation, work).await
    }

    /// Whether the job is given up if this attempt fails as the last failed one did; as `unknown`, if none has failed yet.
    /// [`StageContext::is_last_attempt_for`] asks the same of another class.
    ///
    /// Asks the database, and waits for it. True is certain; false may become true while the attempt goes on, where the stage's
    /// retries have a deadline. Attempts that were handed back or lost with their worker do not count.
    pub async fn is_last_attempt(&self) -> Result<bool, Failure> {
        self.is_last(None).await
    }

    /// Whether the job is given up if this attempt fails with that class: always true of one that is not retried, such as
    /// `invalid_input` by default.
    pub async fn is_last_attempt_for(&self, class: FailureClass) -> Result<bool, Failure> {
        self.is_last(Some(class)).await
    }

    async fn is_last(&self, class: Option<FailureClass>) -> Result<bool, Failure> {
        let end = self.own_rows.end()?;
        last_attempt::is_last(&self.steps, &*end, class).await
    }

    /// Keeps a file of any size in the artifact store, as an artifact of type `output`, and returns what names it: put that
    /// into the stage's output. The file is streamed, 5 MiB at a time, and more where it has over 48 GiB: a bucket takes 10,000
    /// parts. [`StageContext::artifact`] gives it another type.
    ///
    /// It is visible (`artifacts list`, `piton.artifacts_overview`) from the moment the attempt's result commits, and only
    /// then: of an attempt that fails it is kept as `failed`, of one that is lost or cancelled as `orphan`. A stage that is
    /// tried again puts it again. Waits for a database that is away, as long as the stage may run.
    ///
    /// Fails as `invalid_input` where no file can be called that (1 to 255 bytes, no `/` and no NUL, not `.` or `..`) or one of
    /// that name was put by this attempt before, as `resource_unavailable` where the store is not there, and as the file's own error
    /// where that cannot be read.
    ///
    /// ```no_run
    /// # use piton::{Artifact, ArtifactReader, Failure, Input, StageContext};
    /// # #[derive(serde::Deserialize)] struct Needs { draw: Artifact }
    /// async fn draw(context: StageContext) -> Result<Artifact, Failure> {
    ///     context.put_file("picture.png", "/tmp/picture.png").await
    /// }
    ///
    /// async fn shrink(Input(Needs { draw }): Input<Needs>, context: StageContext) -> Result<Artifact, Failure> {
    ///     let picture: ArtifactReader = context.open(&draw).await?;
    ///     context.artifact("copy.png").of_type("preview").content_type("image/png").put(picture).await
    /// }
    /// ```
    pub async fn put_file(&self, name: &str, path: impl AsRef<Path>) -> Result<Artifact, Failure> {
        self.artifact(name).put_file(path).await
    }

    /// Keeps these bytes as [`StageContext::put_file`] keeps a file.
    pub async fn put_bytes(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Artifact, Failure> {
        self.artifact(name).put_bytes(bytes).await
    }

    /// An artifact of that name, to be given a type and a content type before it is put.
    pub fn artifact(&self, name: &str) -> NewArtifact {
        NewArtifact::new(self.artifacts.clone(), name)
    }

    /// Opens an artifact that a stage before this one has put, or this attempt itself. Its digest is verified while it is
    /// read; see [`ArtifactReader`].
    ///
    /// Fails as `invalid_input` where there is no such artifact, as `resource_unavailable` where its file is not in this
    /// worker's store, and as `corrupt_checkpoint` where it is not the one that the reference names.
    pub async fn open(&self, artifact: &Artifact) -> Result<ArtifactReader, Failure> {
        self.artifacts.open(artifact).await
    }

    /// Reports `done` of `of`, with a few words. Shown to people about once a second; lost with a crash.
    pub fn progress(&self, done: u64, of: u64, message: impl Into<String>) {
        self.progress.report(done, of, &message.into());
    }

    /// The attempt's result will not be used: its worker shuts down, or its run ended. The handler itself is dropped
    /// at its next `.await`; this is for threads and tasks that it started.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Waits for [`StageContext::is_cancelled`].
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// The worker shuts down, or begins to within that time.
    pub(crate) async fn is_stopping(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.stopping.cancelled()).await.is_ok()
    }

    /// Ends the attempt without a result and without a failure: its job goes back, and the caller is dropped.
    pub(crate) async fn hand_back<T>(&self) -> T {
        self.cancellation.cancel();
        std::future::pending().await
    }
}
