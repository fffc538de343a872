//! Whether the inputs of schedules are what the workflow declares: nobody is there to read a refusal at night.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::workflow::input::DeclaredInput;
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::name::ScheduleName;
use crate::workflow::schedule::Schedule;

/// The key that the runs of schedules get beside their input.
const TICK: &str = "tick";

pub(super) fn unfit(
    schedules: &BTreeMap<ScheduleName, (Schedule, Range<usize>)>,
    declared: &DeclaredInput,
) -> Vec<Mistake> {
    let all = schedules.iter().flat_map(|(name, (schedule, span))| {
        let given: BTreeMap<String, &RawValue> = serde_json::from_str(&schedule.input).unwrap_or_default();
        let place = format!("the input of schedule {}", shown(name.as_str()));
        let strange = given.keys().filter(|key| declared.key(key).is_none()).map(|key| {
            (
                format!("{place} has {}, which the workflow does not declare", shown(key)),
                "remove it, or declare it below [input]",
            )
        });
        let lacking = declared
            .0
            .iter()
            .filter(|key| !key.optional && key.default.is_none() && key.key != TICK && !given.contains_key(&key.key));
        let lacking = lacking.map(|key| {
            (
                format!("{place} lacks {}, which every run needs", shown(&key.key)),
                "add it, or give it a default below [input]",
            )
        });
        let told: Vec<_> = strange.chain(lacking).collect();
        told.into_iter().map(|(title, help)| Mistake::new(span.clone(), title, "", help))
    });
    all.collect()
}
