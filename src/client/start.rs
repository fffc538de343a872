//! Starting a run.

use std::pin::Pin;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::error::StartError;
use super::piton::Piton;
use super::run::Run;
use crate::model::id::RunId;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::times;
use crate::model::trace::TraceContext;
use crate::store::starts::{RunStart, StartedOnce, start_current, start_current_once};

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
        Start { piton, workflow: workflow.to_owned(), key: None, same_input: false, start }
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

    /// Starts it in a transaction of the caller: it begins when that commits, and never if it does not. The connection must be to
    /// the same database.
    pub async fn in_transaction(self, connection: &mut PgConnection) -> Result<Run, StartError> {
        let Start { piton, workflow, key, same_input, start } = self;
        let start = start?;
        let Some(key) = key else {
            if same_input {
                return Err(StartError::Invalid("same_input goes with a key".to_owned()));
            }
            let id = start_current(connection, &workflow, &start).await?;
            return Ok(Run::new(piton, id, true));
        };
        let StartedOnce { run, is_new, is_other_input } =
            start_current_once(connection, &workflow, &key, &start, false).await?;
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
            let mut connection = self.piton.shared.store.connection().await?;
            self.in_transaction(&mut connection).await
        })
    }
}
