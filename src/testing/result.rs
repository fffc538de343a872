//! What comes of a run under test, without waiting for what is only due later.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::database::TestDatabase;
use super::dead_letter::TestDeadLetter;
use super::error::TestError;
use crate::client::{DatabaseError, ResultError, Run};
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::dead_letters::Filter;

/// Longest wait for a run, where the test says nothing else.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks whether nothing happens for a while.
const SKIP_EVERY: Duration = Duration::from_millis(50);
/// Dead letters that are shown of a run.
const MOST: i64 = 1000;

pub(super) async fn result<T: DeserializeOwned>(
    database: &TestDatabase,
    run: &Run,
    limit: Duration,
) -> Result<T, TestError> {
    let result = tokio::select! {
        result = run.result() => result,
        error = skip_waits(database) => return Err(error),
        () = tokio::time::sleep(limit) => return Err(late(database, run, limit).await),
    };
    match result {
        Ok(output) => Ok(output),
        Err(error @ (ResultError::Blocked { .. } | ResultError::Failed { .. } | ResultError::Cancelled { .. })) => {
            Err(TestError::Run { error, dead_letters: dead_letters(database, run.id()).await? })
        }
        Err(error) => Err(TestError::Run { error, dead_letters: Vec::new() }),
    }
}

pub(super) async fn dead_letters(database: &TestDatabase, run: RunId) -> Result<Vec<TestDeadLetter>, DatabaseError> {
    let filter = Filter { run: Some(run), resolution: Some(Resolution::Pending), ..Filter::default() };
    let found = database.store().dead_letters(&filter, None, MOST).await?;
    Ok(found.into_iter().map(TestDeadLetter::from).collect())
}

/// Until it fails.
async fn skip_waits(database: &TestDatabase) -> TestError {
    loop {
        tokio::time::sleep(SKIP_EVERY).await;
        match database.skip_wait().await {
            Err(error) if !error.may_pass() => return DatabaseError::from(error).into(),
            Ok(()) | Err(_) => {}
        }
    }
}

async fn late(database: &TestDatabase, run: &Run, limit: Duration) -> TestError {
    let waits = database.store().run_waits(run.id()).await.unwrap_or_default();
    let why: Vec<String> = waits.into_iter().map(|wait| format!("{}: {}", wait.stage, wait.why)).collect();
    TestError::Late { seconds: limit.as_secs(), why: why.join("; ") }
}
