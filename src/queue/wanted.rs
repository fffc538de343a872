//! Which outputs of other jobs a claim needs. Pure.

use std::sync::Arc;

use super::version::Version;
use crate::model::claim::Claim;
use crate::model::id::NO_ITEM;
use crate::store::checkpoints::{PREVIOUS, Wanted};
use crate::workflow::definition::{ForEach, Source, StageIndex};

/// The outputs one claim needs.
pub(super) fn wants(claim: &Claim, version: &Version) -> Vec<Wanted> {
    let Some(stage) = version.stage(claim.key.stage) else { return Vec::new() };
    let run = claim.key.run;
    let is_fanned = |n: i16| version.stage(n).is_some_and(|s| s.for_each.is_some());
    let split_source = stage.for_each.as_ref().and_then(|f| fanned_source(f, version));
    let to_split = stage.for_each.is_some() && claim.key.item == NO_ITEM;
    let want = |number: i16| match () {
        () if split_source == Some(number) => Wanted { run, stage: number, item: Some(claim.key.item) },
        () if is_fanned(number) => Wanted { run, stage: number, item: None },
        () => Wanted { run, stage: number, item: Some(NO_ITEM) },
    };
    let needed = stage.needs_output_of().filter(|need| !stage.takes_as_file(*need)).map(number_of);
    let sources = stage.for_each.as_ref();
    let is_source = |n: i16| sources.is_some_and(|f| f.sources().any(|source| source_number(source) == n));
    let needed = needed.filter(|n| !to_split || is_source(*n)).map(want);
    let group = version.group(claim.key.stage).filter(|_| !to_split);
    let previous = group.map(|group| Wanted { run, stage: number_of(group.last), item: Some(PREVIOUS) });
    needed.chain(previous).collect()
}

/// Stages of which a claim asks only whether they were skipped: their outputs are not read, or come in files.
pub(super) fn asks_after(claim: &Claim, version: &Version) -> Vec<i16> {
    let Some(stage) = version.stage(claim.key.stage).filter(|_| claim.key.item == NO_ITEM) else { return Vec::new() };
    let read = |number: i16| {
        wants(claim, version).iter().any(|wanted| wanted.stage == number && wanted.item != Some(PREVIOUS))
    };
    let needs = stage.needs.iter().map(|need| need.0 as i16);
    needs.filter(|number| version.may_be_skipped(*number) && !read(*number)).collect()
}

pub(super) fn number_of(index: StageIndex) -> i16 {
    i16::try_from(index.0).unwrap_or(i16::MAX)
}

/// The upstream stage a fan-out goes over, where that stage is fanned out itself: item follows item.
pub(super) fn fanned_source(for_each: &ForEach, version: &Version) -> Option<i16> {
    match for_each.source {
        _ if !for_each.is_plain() => None,
        Source::Input => None,
        Source::Stage(index) => {
            let number = index.0 as i16;
            version.stage(number).is_some_and(|s| s.for_each.is_some()).then_some(number)
        }
    }
}

/// Of the run's input, no stage's number.
fn source_number(source: Source) -> i16 {
    match source {
        Source::Input => -1,
        Source::Stage(index) => number_of(index),
    }
}

pub(super) fn source_name(source: Source, version: &Version) -> Arc<str> {
    match source {
        Source::Input => "input".into(),
        Source::Stage(index) => version.stage_name(index.0 as i16),
    }
}
