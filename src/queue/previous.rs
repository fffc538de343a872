//! What the stages of a round get of the round before. Pure.

use std::sync::Arc;

use super::evidence::{corrupt_in_round, verified};
use super::version::Version;
use super::wanted::number_of;
use crate::model::failure::Failure;
use crate::model::id::NO_ITEM;
use crate::stage::input::{StageInput, array};
use crate::store::checkpoints::Stored;
use crate::store::rounds::StoredRounds;
use crate::workflow::rounds::Group;

/// An object of the outputs, by the names of their stages; null in the first round.
pub(super) fn part(rounds: Option<&StoredRounds>, group: &Group, version: &Version) -> Result<Arc<str>, Failure> {
    let Some(rounds) = rounds else { return Ok("null".into()) };
    let mut outputs = StageInput::default();
    for member in &group.members {
        let number = number_of(*member);
        let stored: Vec<&Stored> = rounds.outputs.iter().filter(|stored| stored.stage == number).collect();
        if stored.is_empty() && *member == group.last {
            // Its output was too large to be kept with its failure.
            continue;
        }
        outputs.push(version.stage_name(number), output(&stored, number, (rounds, group), version)?);
    }
    Ok(outputs.to_json().into())
}

fn output(
    stored: &[&Stored],
    stage: i16,
    (rounds, group): (&StoredRounds, &Group),
    version: &Version,
) -> Result<Arc<str>, Failure> {
    let damaged = |what: String| corrupt_in_round(rounds.over, &version.stage_name(begins(group, version)), what);
    let name = version.stage_name(stage);
    let sound =
        |stored: &Stored| verified(stored, version).map(Arc::<str>::from).map_err(|e| damaged(e.message().to_owned()));
    let Some((first, items)) = stored.split_first().filter(|(first, _)| first.item == NO_ITEM) else {
        return Err(damaged(format!("the checkpoint of stage `{name}` is missing")));
    };
    let record = sound(first)?;
    if first.skipped.is_some() {
        return Ok("null".into());
    }
    if !version.splits(stage) {
        return Ok(record);
    }
    if record.parse() != Ok(items.len()) {
        return Err(damaged(format!("stage `{name}` has {} outputs of {record} items", items.len())));
    }
    let outputs: Vec<Arc<str>> = items.iter().map(|item| sound(item)).collect::<Result<_, _>>()?;
    Ok(array(outputs.iter().map(|output| &**output)).into())
}

/// The stage that a round begins with.
fn begins(group: &Group, version: &Version) -> i16 {
    let repeat = version.stage(number_of(group.last)).and_then(|last| last.repeat.as_ref());
    number_of(repeat.map_or(group.last, |repeat| repeat.from))
}
