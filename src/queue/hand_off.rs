//! A branch that stays with its worker from one stage to the next, or from one item to the next.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::inputs::{self, Came};
use super::known::{Known, Prepared, Work};
use super::room::Room;
use crate::model::claim::Claim;
use crate::model::id::AttemptKey;
use crate::model::lane::Spot;
use crate::model::payload::PayloadLimits;
use crate::stage::input::StageInput;
use crate::workflow::definition::Stage;

/// Where a branch goes, and what is known for it.
#[derive(Debug)]
pub(super) struct HandOff {
    spot: Spot,
    known: Known,
    /// The input of the next item; `None` for a next stage, which gets the output of the one before.
    item: Option<StageInput>,
}

impl HandOff {
    /// `None` where the next input has to be read, or has to wait for room: then the branch is claimed like any other.
    pub(super) fn to(spot: Spot, done: &Claim, known: Known, bytes: usize, room: &Room) -> Option<HandOff> {
        if spot.stage != done.key.stage {
            let runs_after_a_failure = |stage: &Stage| stage.on_failure_of.is_some();
            if known.version.group(spot.stage).is_some()
                || known.version.stage(spot.stage).is_some_and(runs_after_a_failure)
            {
                // Which round it is in, and what the one before came to, is read; so is what a stage was given up with.
                return None;
            }
            let bytes = known.run.input.as_ref().map_or(0, |input| input.len()) + bytes;
            let taken = room.take_now(bytes).ok()?;
            return Some(HandOff { spot, known: Known { lane: None, round: None, taken, ..known }, item: None });
        }
        // The items of a lane share what their inputs have in common, and the room for it.
        let input = known.lane.as_ref()?.input(spot.item)?;
        Some(HandOff { spot, known, item: Some(input) })
    }

    /// The attempt that the commit of `done` makes.
    pub(super) fn key(&self, done: &Claim) -> AttemptKey {
        AttemptKey { stage: self.spot.stage, item: self.spot.item, attempt: 1, ..done.key }
    }

    /// Its claim, once the commit at that moment has made it.
    pub(super) fn claim(&self, done: &Claim, at: DateTime<Utc>) -> Claim {
        let (key, until) = (self.key(done), self.spot.until);
        Claim { key, until, started_at: at, waited: Duration::ZERO, in_a_row: done.in_a_row + 1, ..*done }
    }

    /// Its inputs: the run's, and the output that was just committed or the next item.
    pub(super) fn prepare(self, limits: &PayloadLimits, claim: Claim, done: &Claim, came: Came<'_>) -> Prepared {
        match self.item {
            None => inputs::prepare_next(limits, claim, self.known, (done.key.stage, came)),
            Some(input) => {
                let work = inputs::within_limit(input, &self.known.version.stage_name(claim.key.stage), limits);
                Prepared { claim, known: self.known, work: work.map(Work::Handle) }
            }
        }
    }
}
