//! Whether the round that an attempt has ended is good enough. Pure.

use std::sync::Arc;

use serde_json::json;

use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::stage::input::StageInput;
use crate::workflow::condition::{self, Decision};
use crate::workflow::definition::{Stage, Then};

/// Which round of its stages an attempt is in.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// From 1.
    pub(crate) number: u32,
    /// What the stage that decides has read beside its own output.
    pub(crate) input: Option<StageInput>,
}

/// What becomes of an output.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Stands(Payload),
    /// Another round begins; with the reason.
    Again(RoundEnd),
}

/// The end of a round that was not good enough.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoundEnd {
    pub(crate) output: Payload,
    pub(crate) why: Arc<str>,
}

/// Looks at the output of a stage. An output that no further round may better is a failure, if its file says so.
pub(super) fn verdict(stage: &Stage, round: Option<&Round>, output: Payload) -> Result<Verdict, Failure> {
    let (Some(repeat), Some(round)) = (&stage.repeat, round) else { return Ok(Verdict::Stands(output)) };
    let name = stage.name.as_str();
    let is_own = |asked: &str| condition::meant(asked, std::iter::once(name)).is_some();
    let part = |asked: &str| round.input.as_ref().and_then(|input| input.part(asked));
    let find = |asked: &str| if is_own(asked) { Some(output.as_str()) } else { part(asked) };
    let why = match repeat.until.decide(find) {
        Ok(Decision::Holds) => return Ok(Verdict::Stands(output)),
        Ok(Decision::Fails(why)) => why,
        Err(undecided) => {
            let message =
                format!("whether round {} of stage `{name}` was the last cannot be decided: {undecided}", round.number);
            return Err(Failure::invalid_input(message));
        }
    };
    match repeat.then {
        _ if round.number < repeat.at_most => Ok(Verdict::Again(RoundEnd { output, why: why.into() })),
        Then::Keep => Ok(Verdict::Stands(output)),
        Then::Fail => {
            let of = if round.number > repeat.at_most { String::new() } else { format!(" of {}", repeat.at_most) };
            let failure =
                Failure::found(FailureClass::NotGoodEnough, format!("after round {}{of}: {why}", round.number));
            // As a text, in which every digit stays what it was: one round more sees it.
            Err(failure.detail(json!({"round": round.number, "output": output.as_str()})))
        }
    }
}
