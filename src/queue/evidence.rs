//! What is wrong with a stored output, told with the evidence.

use super::catalog::Version;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::PayloadLimits;
use crate::store::checkpoints::Stored;

/// The output, if it is what was committed (promise 8).
pub(super) fn verified<'s>(stored: &'s Stored, version: &Version) -> Result<&'s str, Failure> {
    let found = digest::of(&stored.output);
    if found.as_slice() == stored.digest.as_slice() {
        return Ok(&stored.output);
    }
    let name = version.stage_name(stored.stage);
    Err(corrupt(format!("the checkpoint of stage `{name}` is not what was committed")).detail(serde_json::json!({
        "stage": name, "item": stored.item, "expected_sha256": digest::hex(&stored.digest), "found_sha256": digest::hex(&found),
    })))
}

pub(super) fn corrupt(message: String) -> Failure {
    Failure::found(FailureClass::CorruptCheckpoint, message)
}

pub(super) fn missing(stage: &str) -> Failure {
    corrupt(format!("the checkpoint of stage `{stage}` is missing"))
}

pub(super) fn too_much(stage: &str, bytes: u64, limits: &PayloadLimits) -> Failure {
    Failure::invalid_input(format!(
        "the inputs of stage `{stage}` come to {bytes} bytes, over the limit of {}; hand on names of files instead",
        limits.stage_input_bytes
    ))
}
