//! What is wrong with a stored output, with the evidence.

use super::version::Version;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::id::NO_ITEM;
use crate::model::payload::PayloadLimits;
use crate::store::checkpoints::Stored;

/// The output, if it is what was committed (promise 8).
pub(super) fn verified<'s>(stored: &'s Stored, version: &Version) -> Result<&'s str, Failure> {
    let found = stored.skipped.as_ref().map_or_else(|| digest::of(&stored.output), |reason| digest::of_skip(reason));
    if found.as_slice() == stored.digest.as_slice() && stands_in_its_place(stored, version) {
        return Ok(&stored.output);
    }
    let name = version.stage_name(stored.stage);
    Err(corrupt(format!("the checkpoint of stage `{name}` is not what was committed")).detail(serde_json::json!({
        "stage": name, "item": stored.item, "expected_sha256": digest::hex(&stored.digest), "found_sha256": digest::hex(&found),
    })))
}

/// Of a skip the digest covers the reason; what stands in place of an output is known without it.
fn stands_in_its_place(Stored { stage, item, output, skipped, .. }: &Stored, version: &Version) -> bool {
    let quorum = || version.stage(*stage).and_then(|stage| stage.quorum.as_ref()).filter(|_| *item != NO_ITEM);
    skipped.is_none() || quorum().is_none_or(|quorum| quorum.can_stand_for_an_output(output))
}

pub(super) fn corrupt(message: String) -> Failure {
    Failure::found(FailureClass::CorruptCheckpoint, message)
}

/// With the stage and the item ([`NO_ITEM`] for a whole stage) that a retry does again.
pub(super) fn corrupt_at(stage: &str, item: i32, message: String) -> Failure {
    corrupt(message).detail(serde_json::json!({"stage": stage, "item": item}))
}

/// Of a round that is over, and that nothing can be made anew of: its rounds begin anew, from that stage.
pub(super) fn corrupt_in_round(round: u32, begins: &str, message: String) -> Failure {
    corrupt(format!("of round {round}, {message}"))
        .detail(serde_json::json!({"stage": begins, "item": NO_ITEM, "round": round}))
}

pub(super) fn missing(stage: &str, item: i32) -> Failure {
    corrupt_at(stage, item, format!("the checkpoint of stage `{stage}` is missing"))
}

/// Into how many items a stage was split, by the record of it.
pub(super) fn count_of(stage: &str, record: &str) -> Result<u32, Failure> {
    let no_number = format!("the record of a split says `{record}`, not a number of items");
    record.parse().map_err(|_| corrupt_at(stage, NO_ITEM, no_number))
}

/// Not one output for each of that many items; in order of the items.
pub(super) fn miscounted(stage: &str, found: &[i32], items: u32) -> Failure {
    let first_gap = (0i32..).zip(found).find(|(item, stored)| item != *stored).map(|(item, _)| item);
    let lacks = i32::try_from(found.len()).unwrap_or(NO_ITEM);
    // Where there are too many, no item is the one that is wrong.
    let item = if found.len() < items as usize { first_gap.unwrap_or(lacks) } else { NO_ITEM };
    corrupt_at(stage, item, format!("stage `{stage}` has {} outputs of {items} items", found.len()))
}

pub(super) fn too_much(stage: &str, bytes: u64, limits: &PayloadLimits) -> Failure {
    Failure::invalid_input(format!(
        "the inputs of stage `{stage}` come to {bytes} bytes, over this worker's limit of {}; let the stage take them as files \
         (inputs = \"file\"), or raise the limit (--input-limit) and retry",
        limits.stage_input_bytes
    ))
}
