//! A dead letter with everything that is needed to judge it.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Uuid;

use crate::model::id::RunId;
use crate::model::json;
use crate::store::dead_letters::{Attempt, DeadLetter};
use crate::store::overview::CheckpointRow;
use crate::store::{Store, StoreError};

/// Checkpoints that are shown of its run.
const MOST_CHECKPOINTS: i64 = 1000;

/// The shape of `dead-letter show --json`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = DeadLetterStory))]
pub(crate) struct Story {
    #[serde(flatten)]
    pub(crate) letter: DeadLetter,
    /// The run's input.
    #[cfg_attr(feature = "api", schema(value_type = Option<serde_json::Value>))]
    pub(crate) input: Option<Box<RawValue>>,
    /// The run's input until this one was retried with a corrected one.
    #[cfg_attr(feature = "api", schema(value_type = Option<serde_json::Value>))]
    pub(crate) input_before: Option<Box<RawValue>>,
    /// Every attempt at its job that left no checkpoint.
    pub(crate) attempts: Vec<Attempt>,
    /// The first checkpoints of its run.
    pub(crate) checkpoints: Vec<CheckpointRow>,
}

impl Story {
    /// `None` where there is no such dead letter.
    pub(crate) async fn read(store: &Store, id: Uuid) -> Result<Option<Story>, StoreError> {
        let Some(letter) = store.dead_letter(id).await? else { return Ok(None) };
        let Some(run) = store.run(RunId(letter.run)).await? else {
            return Err(StoreError::Damaged(format!("dead letter {id} without its run")));
        };
        let read = |text: Option<String>| text.and_then(|text| RawValue::from_string(json::compact(&text)).ok());
        let input = read(store.run_inputs(&[run.key]).await?.pop().map(|run| run.input));
        let input_before = read(store.dead_letter_input_before(id).await?);
        let attempts = store.dead_letter_attempts(id).await?;
        let checkpoints = store.checkpoints(run.key, None, MOST_CHECKPOINTS).await?;
        Ok(Some(Story { letter, input, input_before, attempts, checkpoints }))
    }
}
