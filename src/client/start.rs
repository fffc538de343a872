//! Starting a run.

use std::path::Path;
use std::pin::Pin;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::error::StartError;
use super::piton::Piton;
use super::run::Run;
use crate::model::artifact::Artifact;
use crate::model::id::RunId;
use crate::model::json;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::times;
use crate::model::trace::TraceContext;
use crate::stage::run_files::{LocalFile, RunFileError, find, fits, listed, upload};
use crate::store::StoreError;
use crate::store::run_files::{RunFile, start_current_on_files};
use crate::store::starts::{RunStart, StartedOnce, start_current, start_current_on_artifacts, start_current_once};

/// A run that is about to be started: await it, or hand it a transaction.
///
/// Started means committed: whatever happens to this process afterwards, the run goes on.
#[derive(Debug)]
#[must_use = "nothing is started before it is awaited"]
pub struct Start {
    piton: Piton,
    workflow: String,
    key: Option<String>,
    same_input: bool,
    start: Result<RunStart, StartError>,
    files: Vec<LocalFile>,
    /// Names and ids.
    artifacts: Vec<(String, String)>,
}

impl Piton {
    /// Starts a run of the current version of a workflow, once the returned [`Start`] is awaited.
    pub fn start<T: Serialize + ?Sized>(&self, workflow: &str, input: &T) -> Start {
        Start::new(self.clone(), workflow, input)
    }
}

impl Start {
    pub(super) fn new<T: Serialize + ?Sized>(piton: Piton, workflow: &str, input: &T) -> Start {
        let limit = PayloadLimits::default().payload_bytes;
        let start = Payload::of(&input, limit).map(RunStart::on);
        let start = start.map_err(|error| StartError::Invalid(format!("the run's input: {error}")));
        let (workflow, files, artifacts) = (workflow.to_owned(), Vec::new(), Vec::new());
        Start { piton, workflow, key: None, same_input: false, start, files, artifacts }
    }

    /// Under a key of 1 to 200 characters only one run of a workflow is ever started: asking again finds it, and starts nothing.
    /// So a start whose answer was lost can be repeated.
    pub fn key(mut self, key: impl Into<String>) -> Start {
        self.key = Some(key.into());
        self
    }

    /// With a key: makes it an error if the run under that key has another input, which is otherwise ignored.
    pub fn same_input(mut self) -> Start {
        self.same_input = true;
        self
    }

    /// Runs of higher priority are claimed first: -1000 to 1000, default 0.
    pub fn priority(self, priority: i16) -> Start {
        self.with(|start| start.priority = priority)
    }

    /// Starts it at that time.
    pub fn at(self, time: SystemTime) -> Start {
        self.timed(time, |start, time| start.run_at = Some(time))
    }

    /// Cancels it if it is not finished by then.
    pub fn deadline(self, time: SystemTime) -> Start {
        self.timed(time, |start, time| start.deadline = Some(time))
    }

    /// Makes its stages part of that trace: a W3C `traceparent`, and perhaps a `tracestate`.
    pub fn trace(mut self, parent: &str, state: Option<&str>) -> Start {
        match TraceContext::parse(parent, state) {
            Ok(trace) => self.with(|start| start.trace = Some(trace)),
            Err(error) => {
                self.start = Err(StartError::Invalid(error.to_string()));
                self
            }
        }
    }

    /// Starts it on a file of this machine, which its stages read under that name, as in `{{file:input/talk.mp4}}`, or on all files of
    /// a folder, as in `{{file:input/talks/1.mp4}}`; may be called several times. The files are uploaded into the [artifact store](super::Builder::artifacts) first, and the run is started on
    /// all of them or not at all. The input must be an object; they are listed in it under `files`. Does not go with a key.
    ///
    /// ```no_run
    /// # async fn start(piton: &piton::Piton) -> Result<(), piton::StartError> {
    /// let run = piton.start("mux", &serde_json::json!({})).file("talk.mp4", "/media/2026-11/talk.mp4").await?;
    /// # Ok(()) }
    /// ```
    pub fn file(mut self, name: &str, path: impl AsRef<Path>) -> Start {
        self.files.push(LocalFile { name: Some(name.to_owned()), path: path.as_ref().to_owned() });
        self
    }

    /// Starts it on a file that a stage of another run has kept, under that name; may be called several times. Cleanup leaves the
    /// file alone for as long as this run goes on, is blocked or held. Does not go together with [`Start::file`].
    pub fn artifact(mut self, name: &str, artifact: &Artifact) -> Start {
        self.artifacts.push((name.to_owned(), artifact.id()));
        self
    }

    /// Starts it in a transaction of the caller: it begins when that commits, and never if it does not. The connection must be to
    /// the same database. A start on [files](Start::file) uploads them while the transaction is open.
    pub async fn in_transaction(self, connection: &mut PgConnection) -> Result<Run, StartError> {
        let (ready, files) = self.uploaded().await?;
        ready.send(connection, &files).await
    }

    /// Uploads its files, and lists them in its input.
    async fn uploaded(self) -> Result<(Start, Vec<RunFile>), StartError> {
        let start = self.start?;
        if self.files.is_empty() {
            return Ok((Start { start: Ok(start), ..self }, Vec::new()));
        }
        if self.key.is_some() || !self.artifacts.is_empty() {
            let said = "a start on files of this machine goes neither with a key nor with artifacts of other runs";
            return Err(StartError::Invalid(said.to_owned()));
        }
        let most = PayloadLimits::default().payload_bytes;
        let files = find(&self.files).await?;
        // Said before anything is uploaded.
        fits(&start.input, &files, most)?;
        let Some(store) = self.piton.artifacts() else {
            let said = "there is no artifact store for the files: name one with Builder::artifacts";
            return Err(StartError::Invalid(said.to_owned()));
        };
        let own = self.piton.shared.store.own_addresses().await?;
        let files = upload(&store, &own, &files).await?;
        let input = listed(&start.input, &files, most)?;
        Ok((Start { start: Ok(RunStart { input, ..start }), ..self }, files))
    }

    async fn send(self, connection: &mut PgConnection, files: &[RunFile]) -> Result<Run, StartError> {
        let Start { piton, workflow, key, same_input, start, artifacts, .. } = self;
        let start = start?;
        if key.is_none() && same_input {
            return Err(StartError::Invalid("same_input goes with a key".to_owned()));
        }
        let StartedOnce { run, is_new, is_other_input } = if !artifacts.is_empty() {
            let files = by_name(&artifacts);
            start_current_on_artifacts(connection, (&workflow, key.as_deref()), &start, &files, false).await?
        } else if let Some(key) = key {
            start_current_once(connection, &workflow, &key, &start, false).await?
        } else {
            let id = match files {
                [] => start_current(connection, &workflow, &start).await?,
                files => start_current_on_files(connection, &workflow, &start, files).await?,
            };
            return Ok(Run::new(piton, id, true));
        };
        let id = RunId(run);
        if same_input && is_other_input { Err(StartError::OtherInput(id)) } else { Ok(Run::new(piton, id, is_new)) }
    }

    fn timed(mut self, time: SystemTime, set: impl FnOnce(&mut RunStart, DateTime<Utc>)) -> Start {
        match times::of_system(time) {
            Some(time) => self.with(|start| set(start, time)),
            None => {
                self.start = Err(StartError::Invalid("a time lies between the years 1970 and 9999".to_owned()));
                self
            }
        }
    }

    fn with(mut self, set: impl FnOnce(&mut RunStart)) -> Start {
        if let Ok(start) = &mut self.start {
            set(start);
        }
        self
    }
}

impl IntoFuture for Start {
    type Output = Result<Run, StartError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (ready, files) = self.uploaded().await?;
            let store = ready.piton.shared.store.clone();
            if files.is_empty() {
                let mut connection = store.connection().await?;
                return ready.send(&mut connection, &files).await;
            }
            // The run and its files, or neither.
            let mut transaction = store.begin().await?;
            let run = ready.send(&mut transaction, &files).await?;
            transaction.commit().await.map_err(StoreError::from)?;
            Ok(run)
        })
    }
}

/// An object of ids by name. A name that is there twice is there twice, so that it is refused as everywhere.
fn by_name(artifacts: &[(String, String)]) -> String {
    let entries: Vec<String> = artifacts.iter().map(|(name, id)| format!("{}:\"{id}\"", json::string(name))).collect();
    format!("{{{}}}", entries.join(","))
}

impl From<RunFileError> for StartError {
    fn from(error: RunFileError) -> StartError {
        match error {
            RunFileError::Unread { .. } | RunFileError::NotKept { .. } | RunFileError::Empty(_) => {
                StartError::File(error.to_string())
            }
            RunFileError::Name(_)
            | RunFileError::NoName(_)
            | RunFileError::Twice(_)
            | RunFileError::NoObject
            | RunFileError::Payload(_) => StartError::Invalid(error.to_string()),
        }
    }
}
