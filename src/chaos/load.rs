//! The program of the stage `load`: it commits a row of its own together with the end of its attempt, and then ends well or badly,
//! which must make no difference.

use std::io;
use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::workload::RunInput;
use crate::store::StoreError;
use crate::store::chaos_rows::Load;
use crate::store::connect::Server;

/// How long the server may owe it an answer.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);
/// Between two tries to reach the server.
pub(super) const AGAIN: Duration = Duration::from_millis(50);

/// What it finishes with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) run: Uuid,
    /// The attempt that wrote the row, which an attempt after it may have found.
    pub(crate) attempt: u32,
    /// The run's, from its input.
    pub(crate) seed: u64,
}

#[derive(Debug, Deserialize)]
struct Given {
    input: RunInput,
}

/// Why it did not come so far.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the variable {0} is not what Piton gives a program with finish = true")]
    Variable(&'static str),
    #[error("its input cannot be read: {0}")]
    Input(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Commits, however often the server has to be reached for that. `false` when it is to end as programs that fail do.
pub(crate) async fn load(server: &Server) -> Result<bool, LoadError> {
    let given: Given = serde_json::from_reader(io::stdin())?;
    let loaded = Loaded { run: variable("PITON_RUN")?, attempt: variable("PITON_ATTEMPT")?, seed: given.input.seed };
    let load = Load {
        token: variable("PITON_ATTEMPT_TOKEN")?,
        run: loaded.run,
        attempt: variable("PITON_ATTEMPT")?,
        output: serde_json::to_string(&loaded)?,
        pause: Duration::from_millis(rand::rng().random_range(0..60)),
    };
    while let Err(error) = load.commit(server).await {
        if !matches!(error, StoreError::Away(_)) {
            return Err(error.into());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(end().await)
}

/// What it does after its commit.
async fn end() -> bool {
    match rand::rng().random_range(0..4) {
        0 => tokio::time::sleep(Duration::from_millis(300)).await,
        1 => return false,
        2 => std::process::abort(),
        _ => {}
    }
    true
}

pub(super) fn variable<T: std::str::FromStr>(name: &'static str) -> Result<T, LoadError> {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).ok_or(LoadError::Variable(name))
}
