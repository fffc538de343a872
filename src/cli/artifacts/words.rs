//! Artifacts, as people read about them.

use crate::config;
use crate::model::id::RunId;
use crate::store::artifacts::ArtifactRow;

/// Artifacts of one run that people are shown; beyond that they are read in SQL.
pub(super) const MOST: i64 = 10_000;

pub(super) fn no_such_run(run: RunId) -> String {
    format!("there is no run {run}; `{} runs` lists those there are", config::program())
}

/// The stage, and the item.
pub(super) fn place(row: &ArtifactRow) -> String {
    row.item.map_or_else(|| row.stage.clone(), |item| format!("{}[{item}]", row.stage))
}

pub(super) fn size(bytes: i64) -> String {
    bytesize::ByteSize::b(bytes.unsigned_abs()).display().iec().to_string()
}
