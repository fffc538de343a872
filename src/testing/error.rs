//! What can go wrong with a test itself.

use super::dead_letter::TestDeadLetter;
use crate::client::{BuildError, DatabaseError, ResultError, StartError, WorkerError};
use crate::embedded::EmbeddedError;

/// Where tests find a server, if they are not to start one.
pub(super) const URL: &str = "PITON_TEST_DATABASE_URL";

/// Why a test has no answer. Its text says place and cure, so that `?` or `unwrap` is all that a test needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// There is no Postgres for tests.
    #[error("no Postgres for tests: {0}")]
    Server(String),
    /// The database of the test did not answer, or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The [`App`](crate::App) cannot be used: a workflow file has mistakes, or a mock fits no stage.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The app's own function failed.
    #[error("the app was not made: {0}")]
    App(String),
    /// The worker stopped by itself.
    #[error("the test's worker has stopped: {0}")]
    Worker(#[from] WorkerError),
    /// The run was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The run has no result.
    #[error("{error}{}", in_lines(dead_letters))]
    Run {
        /// Why.
        error: ResultError,
        /// What was given up, and is not retried or dismissed.
        dead_letters: Vec<TestDeadLetter>,
    },
    /// A run was not at rest in time.
    #[error("the run was not at rest within {seconds} s; {why}")]
    Late {
        /// How long it was waited for.
        seconds: u64,
        /// What it waits for.
        why: String,
    },
    /// A text is no span of time.
    #[error("`{text}` is no span of time: {cure}")]
    Span {
        /// The text.
        text: String,
        /// What would be one.
        cure: String,
    },
    /// A worker was killed, and what came of it is not what comes of the workflow otherwise.
    #[error("killed {place}: {what}")]
    Crash {
        /// Where.
        place: String,
        /// What differs, or what the test's own check said.
        what: String,
    },
}

impl TestError {
    /// The private Postgres of the tests did not start.
    pub(super) fn unstarted(error: EmbeddedError) -> TestError {
        // Tests never use DATABASE_URL: what it would cure, another variable does.
        let said = error.to_string().replace("DATABASE_URL", URL);
        TestError::Server(match &error {
            EmbeddedError::Temporary { .. } => said,
            _ if said.contains(URL) => said,
            _ => {
                format!("{said}\nAnother server can be named with {URL}; tests must be allowed to make databases there")
            }
        })
    }

    /// The server that is named cannot be used.
    pub(super) fn elsewhere(why: &str) -> TestError {
        // All other commands have its address from DATABASE_URL.
        let why = why.replace("DATABASE_URL", URL);
        TestError::Server(format!(
            "{why}\n{URL} names a server in which tests may make databases; without it, tests start one of their own"
        ))
    }
}

fn in_lines(dead_letters: &[TestDeadLetter]) -> String {
    let line = |letter: &TestDeadLetter| {
        let item = letter.item.map_or_else(String::new, |item| format!("[{item}]"));
        let TestDeadLetter { stage, class, message, attempts, .. } = letter;
        format!("\n{stage}{item}: {class} after {attempts} attempts: {message}")
    };
    dead_letters.iter().map(line).collect()
}
