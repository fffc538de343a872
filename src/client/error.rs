//! What can go wrong, grouped by what the caller can do about it.

use std::sync::Arc;

use crate::model::id::RunId;
use crate::store::StoreError;

/// The database failed, refused, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Arc<StoreError>);

impl DatabaseError {
    /// The database is away or busy: the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        self.0.may_pass()
    }
}

impl From<StoreError> for DatabaseError {
    fn from(error: StoreError) -> DatabaseError {
        DatabaseError(Arc::new(error))
    }
}

impl From<Arc<StoreError>> for DatabaseError {
    fn from(error: Arc<StoreError>) -> DatabaseError {
        DatabaseError(error)
    }
}

/// Why a [`Piton`](crate::Piton) could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The [`App`](crate::App) has two handlers of one name, or a handler lacks its state.
    #[error("{0}")]
    App(String),
    /// Workflow files have mistakes; all of them are in the text.
    #[error("workflow files have mistakes\n\n{0}")]
    Workflows(String),
    /// The connection string is invalid.
    #[error("{0}")]
    Address(String),
    /// The name of the artifact store makes no sense.
    #[error("{0}")]
    Artifacts(String),
    /// The database cannot be connected to.
    #[error("{0}")]
    Connect(String),
    /// The schema is missing, older or newer than this program can use. [`Migrations::Run`](crate::Migrations::Run) repairs the first
    /// two.
    #[error("{0}")]
    Schema(String),
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> BuildError {
        BuildError::Database(error.into())
    }
}

/// Why a run was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No version of a workflow of that name is deployed.
    #[error("{0}")]
    UnknownWorkflow(String),
    /// The input cannot be written as JSON, is too large, or is not what the workflow declares; or a key, a priority or a time is
    /// out of bounds.
    #[error("{0}")]
    Invalid(String),
    /// A [file](crate::Start::file) cannot be read, or the artifact store did not take it. Nothing is started.
    #[error("{0}")]
    File(String),
    /// [`Start::same_input`](crate::Start::same_input) was asked for, and the run under that key has another input.
    #[error("run {0} was started under that key before, on another input")]
    OtherInput(RunId),
    /// The database did not answer, or refused. After a lost answer the run may have been started: only a
    /// [key](crate::Start::key) makes it safe to start it again.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> StartError {
        match (error.code().as_deref(), error.refusal()) {
            (Some("42704" | "55000"), Some(said)) => StartError::UnknownWorkflow(said),
            (Some(code), Some(said)) if code.starts_with("22") => StartError::Invalid(said),
            _ => StartError::Database(error.into()),
        }
    }
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// There is no such run: it was deleted by a cleanup, or the transaction that started it did not commit.
    #[error("there is no run {0}")]
    NotFound(RunId),
    /// A stage was given up, and nothing else of the run goes on. It may still finish: somebody can retry the dead letter, and the
    /// result can be awaited again.
    #[error("the run is blocked at stage {stage}: {class}: {message}")]
    Blocked {
        /// Its name.
        stage: String,
        /// The failure class of its last attempt.
        class: String,
        /// The message of that failure.
        message: String,
    },
    /// A dead letter of it was dismissed.
    #[error("the run failed at stage {stage}: {class}: {message}")]
    Failed {
        /// Its name.
        stage: String,
        /// The failure class of its last attempt.
        class: String,
        /// The message of that failure.
        message: String,
    },
    /// It was cancelled.
    #[error("the run was cancelled by {by}: {reason}")]
    Cancelled {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The output does not fit the requested type.
    #[error("the run's output does not fit: {0}")]
    Output(#[source] serde_json::Error),
    /// The database refused. While it is only away, awaiting goes on.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<StoreError> for ResultError {
    fn from(error: StoreError) -> ResultError {
        ResultError::Database(error.into())
    }
}

/// Why a run was not cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CancelError {
    /// There is no such run.
    #[error("there is no run {0}")]
    NotFound(RunId),
    /// It has ended already.
    #[error("{0}")]
    Ended(String),
    /// The reason is empty or too long.
    #[error("{0}")]
    Invalid(String),
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl CancelError {
    pub(super) fn of(run: RunId, error: StoreError) -> CancelError {
        match (error.code().as_deref(), error.refusal()) {
            (Some("P0002"), _) => CancelError::NotFound(run),
            (Some("55000"), Some(said)) => CancelError::Ended(said),
            (Some(code), Some(said)) if code.starts_with("22") => CancelError::Invalid(said),
            _ => CancelError::Database(error.into()),
        }
    }
}

/// Why a wait was not ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// There is no such run, or it has no such stage or signal.
    #[error("{0}")]
    NotFound(String),
    /// It was ended before, nothing waits there, or the run has ended.
    #[error("{0}")]
    Over(String),
    /// What was given does not fit.
    #[error("{0}")]
    Invalid(String),
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl WaitError {
    pub(super) fn of(error: StoreError) -> WaitError {
        match (error.code().as_deref(), error.refusal()) {
            (Some("P0002"), Some(said)) => WaitError::NotFound(said),
            (Some("55000"), Some(said)) => WaitError::Over(said),
            (Some(code), Some(said)) if code.starts_with("22") || code.starts_with("54") => WaitError::Invalid(said),
            _ => WaitError::Database(error.into()),
        }
    }
}

/// Why a worker did not start, or stopped without being asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The program's `main` does not begin with [`piton::child`](crate::child()): processes that Piton starts from the program's own
    /// file would run the program once more.
    #[error(
        "this program does not begin with piton::child, or calls it within a tokio runtime: add `if let Some(code) = piton::child(app) {{ return code }}` as the first \
         line of main, before a runtime is started and anything is opened or bound"
    )]
    NoChildCall,
    /// A setting is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// Another live process has its name.
    #[error("{0}")]
    NameTaken(String),
    /// The process lacks something, such as open files for a single slot.
    #[error("{0}")]
    Lacking(String),
    /// A part of it panicked. Its jobs are recovered by other workers, or by the next one of its name.
    #[error("{0}")]
    Broken(String),
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<crate::worker::WorkerError> for WorkerError {
    fn from(error: crate::worker::WorkerError) -> WorkerError {
        use crate::worker::WorkerError as Inner;
        match error {
            Inner::PartStopped(_) => WorkerError::Broken(error.to_string()),
            Inner::NameTaken(_) => WorkerError::NameTaken(error.to_string()),
            Inner::NoRoom(_) => WorkerError::Lacking(error.to_string()),
            Inner::Store(error) => WorkerError::Database(error.into()),
        }
    }
}

/// Why nothing was decided about a schedule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is no such workflow or schedule.
    #[error("{0}")]
    NotFound(String),
    /// It is not in that state, or its run cannot start.
    #[error("{0}")]
    Refused(String),
    /// The database did not answer.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<StoreError> for ScheduleError {
    fn from(error: StoreError) -> ScheduleError {
        match (error.code().as_deref(), error.refusal()) {
            (Some("42704"), Some(said)) => ScheduleError::NotFound(said),
            (Some(_), Some(said)) => ScheduleError::Refused(said),
            _ => ScheduleError::Database(error.into()),
        }
    }
}
