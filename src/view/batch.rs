//! A batch and its items as JSON shows them.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Uuid;

use crate::model::json;
use crate::store::batches::{BatchResult, BatchRow, ClassCount};
use crate::store::{Store, StoreError};

/// A batch, and what of it waits for a decision.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct BatchReport {
    #[serde(flatten)]
    pub(crate) row: BatchRow,
    /// By failure class, the most frequent first.
    pub(crate) dead_letter_classes: Vec<ClassCount>,
}

impl BatchReport {
    /// Of one that is named or known by its id, or a refusal where there is none.
    pub(crate) async fn read(store: &Store, batch: &str) -> Result<BatchReport, StoreError> {
        let row = store.batch(batch).await?;
        let dead_letter_classes = store.batch_dead_letters(row.batch).await?;
        Ok(BatchReport { row, dead_letter_classes })
    }
}

/// What became of an item.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ItemReport {
    /// Its number, from 1.
    item: i32,
    run: Option<Uuid>,
    /// `not_started`, `gone` (it was cleaned up), or that of its run.
    state: String,
    /// Outputs of the run's last stages, by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "api", schema(value_type = Option<Object>))]
    output: Option<Box<RawValue>>,
    /// Its first pending dead letter, what it failed with, or why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "api", schema(value_type = Option<Object>))]
    failure: Option<Box<RawValue>>,
}

impl TryFrom<BatchResult> for ItemReport {
    type Error = StoreError;

    fn try_from(row: BatchResult) -> Result<ItemReport, StoreError> {
        let BatchResult { item, run, state, output, failure } = row;
        // On one line: whoever reads a file of them takes line by line.
        let json = |text: Option<String>| text.map(|text| RawValue::from_string(json::compact(&text))).transpose();
        let wrong = |error| StoreError::Damaged(format!("what became of item {item}: {error}"));
        Ok(ItemReport {
            item,
            run,
            state,
            output: json(output).map_err(wrong)?,
            failure: json(failure).map_err(wrong)?,
        })
    }
}
