//! What a running stage knows about itself.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::artifacts::AttemptArtifacts;
use super::new_artifact::NewArtifact;
use super::steps::Steps;
use crate::artifacts::ArtifactReader;
use crate::model::artifact::Artifact;
use crate::model::digest;
use crate::model::failure::Failure;
use crate::model::id::RunId;
use crate::store::jobs::Progress;
use crate::workflow::own::Own;

/// The attempt a handler runs in. Cheap to clone; a handler may take it as an argument or not.
///
/// Logs written with `tracing` inside a handler carry run, stage, item, attempt and worker by themselves.
#[derive(Debug, Clone)]
pub struct StageContext {
    pub(crate) about: Arc<About>,
    pub(crate) cancellation: CancellationToken,
    /// The worker shuts down.
    pub(crate) stopping: Arc<CancellationToken>,
    pub(crate) progress: ProgressCell,
    pub(crate) steps: Steps,
    pub(crate) artifacts: AttemptArtifacts,
}

/// Progress on its way from the handler to the database; only the latest is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressCell(Arc<Mutex<Option<Progress>>>);

impl ProgressCell {
    fn set(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// What was reported last, if nobody has taken it.
    pub(crate) fn peek(&self) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was reported since the last call.
    pub(crate) fn take(&self) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
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

    /// The name of the worker that runs it.
    pub fn worker(&self) -> &str {
        &self.about.worker
    }

    /// Names the job for services that are to do its work once, however often it is asked for: the same text for every
    /// attempt. The `http` and `command` stages send it as `Idempotency-Key` and `PITON_IDEMPOTENCY_KEY`. A stage that
    /// someone lets begin anew has another one, so that the work is done again.
    pub fn idempotency_key(&self) -> String {
        let About { run, stage, item, again, .. } = &*self.about;
        let item = item.map_or_else(String::new, |item| format!(":{item}"));
        let again = if *again == 0 { String::new() } else { format!(":again-{again}") };
        format!("{run}:{stage}{item}{again}")
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

    /// Tells a stage of its attempt. The files are a program's, and known to whoever starts it.
    pub(crate) fn tell(&self, own: Own) -> Option<Cow<'_, str>> {
        let About { run, workflow, stage, item, attempt, worker, again: _, trace: _ } = &*self.about;
        Some(match own {
            Own::Id => run.to_string().into(),
            Own::Workflow => (&**workflow).into(),
            Own::Stage => (&**stage).into(),
            Own::Item => (*item)?.to_string().into(),
            Own::Attempt => attempt.to_string().into(),
            Own::Worker => (&**worker).into(),
            Own::IdempotencyKey => self.idempotency_key().into(),
            Own::Output | Own::Artifacts => return None,
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
        let message: String = message.into();
        let note = message.chars().filter(|c| !c.is_control()).take(NOTE_LIMIT).collect();
        self.progress.set(Progress { done, of, note });
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
